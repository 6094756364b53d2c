// A client over librdkafka, the same for both sides of a comparison. It needs no consumer group: partitions are started by hand, as kcat does.
//   probe latency BOOTSTRAP TOPIC COUNT BYTES        one record in flight: produced with acks=all, acknowledged, and read back, COUNT times
//   probe read BOOTSTRAP TOPIC PARTITIONS COUNT      reads all partitions from the start until COUNT records came
// Prints one line of JSON. Build: gcc -O2 -o probe probe.c -lrdkafka
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define WARM_UP 200

static char why[512];

static void fail(const char *what, const char *cause) {
  fprintf(stderr, "probe: %s: %s\n", what, cause);
  exit(1);
}

static double now_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static double cpu_seconds(void) {
  struct rusage use;
  getrusage(RUSAGE_SELF, &use);
  return use.ru_utime.tv_sec + use.ru_stime.tv_sec + (use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
}

static void set(rd_kafka_conf_t *conf, const char *key, const char *value) {
  if (rd_kafka_conf_set(conf, key, value, why, sizeof why) != RD_KAFKA_CONF_OK) fail(key, why);
}

static rd_kafka_t *client(rd_kafka_type_t type, rd_kafka_conf_t *conf, const char *bootstrap) {
  set(conf, "bootstrap.servers", bootstrap);
  set(conf, "socket.nagle.disable", "true");
  rd_kafka_t *rk = rd_kafka_new(type, conf, why, sizeof why);
  if (rk == NULL) fail("client", why);
  return rk;
}

static rd_kafka_t *consumer(const char *bootstrap) {
  rd_kafka_conf_t *conf = rd_kafka_conf_new();
  // Nothing is held back because the application is slow: it only counts.
  set(conf, "queued.min.messages", "10000000");
  set(conf, "queued.max.messages.kbytes", "2097151");
  return client(RD_KAFKA_CONSUMER, conf, bootstrap);
}

static rd_kafka_topic_t *topic_of(rd_kafka_t *rk, const char *name) {
  rd_kafka_topic_t *topic = rd_kafka_topic_new(rk, name, NULL);
  if (topic == NULL) fail(name, rd_kafka_err2str(rd_kafka_last_error()));
  return topic;
}

// --------------------------------------------------------------------------------------------------------------------------- latency

static int delivered;

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque) {
  (void)rk, (void)opaque;
  if (message->err) fail("produce", rd_kafka_err2str(message->err));
  delivered++;
}

static int by_size(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static void latency(const char *bootstrap, const char *name, int count, size_t bytes) {
  rd_kafka_conf_t *conf = rd_kafka_conf_new();
  set(conf, "acks", "all");
  set(conf, "linger.ms", "0");
  rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
  rd_kafka_t *producer = client(RD_KAFKA_PRODUCER, conf, bootstrap);
  rd_kafka_topic_t *to = topic_of(producer, name);
  rd_kafka_t *reader = consumer(bootstrap);
  rd_kafka_topic_t *from = topic_of(reader, name);
  rd_kafka_queue_t *queue = rd_kafka_queue_new(reader);
  if (rd_kafka_consume_start_queue(from, 0, RD_KAFKA_OFFSET_BEGINNING, queue) != 0)
    fail("consume", rd_kafka_err2str(rd_kafka_last_error()));
  char *value = malloc(bytes);
  memset(value, 'x', bytes);
  double *took = malloc(count * sizeof(double));
  for (int i = -WARM_UP; i < count; i++) {
    double begun = now_us();
    delivered = 0;
    if (rd_kafka_produce(to, 0, RD_KAFKA_MSG_F_COPY, value, bytes, NULL, 0, NULL) != 0)
      fail("produce", rd_kafka_err2str(rd_kafka_last_error()));
    rd_kafka_message_t *message = rd_kafka_consume_queue(queue, 30000);
    if (message == NULL) fail("consume", "nothing came for 30 s");
    if (message->err) fail("consume", rd_kafka_message_errstr(message));
    if (message->len != bytes) fail("consume", "a record of another size");
    rd_kafka_message_destroy(message);
    while (!delivered) rd_kafka_poll(producer, 1000);
    if (i >= 0) took[i] = now_us() - begun;
  }
  qsort(took, count, sizeof(double), by_size);
  printf("{\"count\":%d,\"p50\":%.1f,\"p99\":%.1f,\"p999\":%.1f,\"max\":%.1f}\n", count, took[count / 2], took[(int)(count * 0.99)],
         took[(int)(count * 0.999)], took[count - 1]);
}

// ------------------------------------------------------------------------------------------------------------------------------ read

static long records;
static long long value_bytes;

static void on_record(rd_kafka_message_t *message, void *opaque) {
  (void)opaque;
  if (message->err) fail("consume", rd_kafka_message_errstr(message));
  records++;
  value_bytes += message->len;
}

static void read_all(const char *bootstrap, const char *name, int partitions, long count) {
  rd_kafka_t *reader = consumer(bootstrap);
  rd_kafka_topic_t *from = topic_of(reader, name);
  rd_kafka_queue_t *queue = rd_kafka_queue_new(reader);
  double begun = now_us(), last = begun, cpu = cpu_seconds();
  for (int p = 0; p < partitions; p++)
    if (rd_kafka_consume_start_queue(from, p, 0, queue) != 0) fail("consume", rd_kafka_err2str(rd_kafka_last_error()));
  while (records < count) {
    if (rd_kafka_consume_callback_queue(queue, 1000, on_record, NULL) > 0) last = now_us();
    else if (now_us() - last > 30e6) fail("consume", "nothing came for 30 s");
  }
  printf("{\"records\":%ld,\"bytes\":%lld,\"seconds\":%.4f,\"cpuSeconds\":%.3f}\n", records, value_bytes, (last - begun) / 1e6,
         cpu_seconds() - cpu);
}

int main(int argc, char **argv) {
  if (argc == 6 && strcmp(argv[1], "latency") == 0) latency(argv[2], argv[3], atoi(argv[4]), atoi(argv[5]));
  else if (argc == 6 && strcmp(argv[1], "read") == 0) read_all(argv[2], argv[3], atoi(argv[4]), atol(argv[5]));
  else fail("arguments", "see the head of probe.c");
  // No orderly end: closing a client takes seconds, and nothing is left to say.
  fflush(stdout);
  _Exit(0);
}
