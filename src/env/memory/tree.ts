// A tree of names over files in memory: what the in-memory and the simulated disk have in common. Synchronous; refuses with EnvError.

import type { DirectoryEntry } from '../env.ts'
import { EnvError } from '../env.ts'
import { PagedBytes } from './bytes.ts'

export class FileNode {
  readonly kind = 'file'
  bytes = new PagedBytes()
}

export class DirectoryNode {
  readonly kind = 'directory'
  readonly entries = new Map<string, TreeNode>()
  /** The key-value store that lives in this folder, if any: it is renamed and removed with it. */
  store: object | undefined
}

export type TreeNode = FileNode | DirectoryNode

/** Told of every change of names, before it happens. */
export interface NameObserver {
  linking(directory: DirectoryNode, name: string, node: TreeNode): void
  unlinking(directory: DirectoryNode, name: string): void
  /** Replaces the two above for a move. */
  moving(from: DirectoryNode, fromName: string, to: DirectoryNode, toName: string, node: TreeNode): void
}

export class FileTree {
  readonly root = new DirectoryNode()
  readonly #observer: NameObserver | undefined

  constructor(observer?: NameObserver) {
    this.#observer = observer
  }

  find(path: string): TreeNode | undefined {
    let node: TreeNode = this.root
    for (const name of partsOf(path)) {
      if (node.kind !== 'directory') return undefined
      const next = node.entries.get(name)
      if (next === undefined) return undefined
      node = next
    }
    return node
  }

  directory(path: string, doing: string): DirectoryNode {
    const node = this.find(path)
    if (node === undefined) throw new EnvError('ENOENT', `${doing} ${path}: no such folder`)
    if (node.kind !== 'directory') throw new EnvError('ENOTDIR', `${doing} ${path}: not a folder`)
    return node
  }

  openFile(path: string, mode: 'create' | 'readWrite' | 'read'): FileNode {
    const node = this.find(path)
    if (mode === 'create') {
      if (node !== undefined) throw new EnvError('EEXIST', `open ${path}: it exists already`)
      const { directory, name } = this.#parent(path, 'open')
      const file = new FileNode()
      this.#observer?.linking(directory, name, file)
      directory.entries.set(name, file)
      return file
    }
    if (node === undefined) throw new EnvError('ENOENT', `open ${path}: no such file`)
    if (node.kind === 'directory') throw new EnvError('EISDIR', `open ${path}: it is a folder`)
    return node
  }

  list(path: string): DirectoryEntry[] {
    return [...this.directory(path, 'list').entries]
      .map(([name, node]): DirectoryEntry => ({ name, kind: node.kind }))
      .sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  makeDirectory(path: string): DirectoryNode {
    let directory = this.root
    for (const name of partsOf(path)) {
      let node = directory.entries.get(name)
      if (node === undefined) {
        node = new DirectoryNode()
        this.#observer?.linking(directory, name, node)
        directory.entries.set(name, node)
      }
      if (node.kind !== 'directory') throw new EnvError('ENOTDIR', `make directory ${path}: ${name} is a file`)
      directory = node
    }
    return directory
  }

  rename(from: string, to: string): void {
    const doing = `rename ${from} to ${to}`
    const source = this.#parent(from, doing)
    const node = source.directory.entries.get(source.name)
    if (node === undefined) throw new EnvError('ENOENT', `${doing}: no such file or folder`)
    const target = this.#parent(to, doing)
    const replaced = target.directory.entries.get(target.name)
    if (replaced === node) return
    if (node.kind === 'directory' && this.#contains(node, target.directory))
      throw new EnvError('EINVAL', `${doing}: a folder cannot be moved into itself`)
    if (replaced?.kind === 'directory') {
      if (node.kind !== 'directory') throw new EnvError('EISDIR', `${doing}: the target is a folder`)
      if (replaced.entries.size > 0 || replaced.store !== undefined) throw new EnvError('ENOTEMPTY', `${doing}: the target is not empty`)
    } else if (replaced !== undefined && node.kind === 'directory') throw new EnvError('ENOTDIR', `${doing}: the target is a file`)
    this.#observer?.moving(source.directory, source.name, target.directory, target.name, node)
    source.directory.entries.delete(source.name)
    target.directory.entries.set(target.name, node)
  }

  remove(path: string): void {
    const node = this.find(path)
    if (node === undefined) return
    const { directory, name } = this.#parent(path, 'remove')
    if (node.kind === 'directory') for (const child of [...node.entries.keys()].sort()) this.remove(`${path}/${child}`)
    this.#observer?.unlinking(directory, name)
    directory.entries.delete(name)
  }

  /** Bytes of all files. */
  usedBytes(node: TreeNode = this.root): number {
    if (node.kind === 'file') return node.bytes.size
    let sum = 0
    for (const child of node.entries.values()) sum += this.usedBytes(child)
    return sum
  }

  #contains(directory: DirectoryNode, searched: DirectoryNode): boolean {
    if (directory === searched) return true
    for (const child of directory.entries.values()) if (child.kind === 'directory' && this.#contains(child, searched)) return true
    return false
  }

  #parent(path: string, doing: string): { directory: DirectoryNode; name: string } {
    const parts = partsOf(path)
    const name = parts.pop()
    if (name === undefined) throw new EnvError('EINVAL', `${doing} ${path}: the root has no name`)
    return { directory: this.directory(parts.join('/'), doing), name }
  }
}

function partsOf(path: string): string[] {
  const parts: string[] = []
  for (const part of path.split('/')) {
    if (part === '..') parts.pop()
    else if (part !== '' && part !== '.') parts.push(part)
  }
  return parts
}
