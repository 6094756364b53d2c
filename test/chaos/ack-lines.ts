// What a writer process tells of its acks, some times a second and not once for each.

export const MOST_IN_FLIGHT = 200
const TELL_MS = 20

export class AckLines {
  #text = ''
  readonly #timer = setInterval(() => this.#tell(), TELL_MS)

  add(partition: number, sequence: number, offset: number): void {
    this.#text += `${partition} ${sequence} ${offset} ${Date.now()}\n`
  }

  /** Ends the process. */
  end(): void {
    clearInterval(this.#timer)
    process.stdout.write(this.#text, () => process.exit(0))
  }

  #tell(): void {
    if (this.#text === '') return
    process.stdout.write(this.#text)
    this.#text = ''
  }
}
