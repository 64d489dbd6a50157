#include "rig.h"

#include "../check.h"
#include "../faults.h"
#include "../packets.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define SUITE "the worker"

/* Threads of this process that are workers: a sanitizer may have one of its own. */
static size_t workers(void) {
  DIR *directory = opendir("/proc/self/task");
  size_t count = 0;
  check(directory != NULL);
  for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
    char path[300], name[32] = "";
    snprintf(path, sizeof path, "/proc/self/task/%s/comm", entry->d_name);
    FILE *file = fopen(path, "r");
    if (file == NULL) continue;
    if (fgets(name, sizeof name, file) != NULL && strcmp(name, "udp-datapath\n") == 0) count++;
    fclose(file);
  }
  closedir(directory);
  return count;
}

static size_t descriptors(void) {
  DIR *directory = opendir("/proc/self/fd");
  size_t count = 0;
  check(directory != NULL);
  while (readdir(directory) != NULL) count++;
  closedir(directory);
  return count;
}

/* What the process has used, in nanoseconds. */
static uint64_t processor_time(void) {
  struct timespec time;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

/* Whether a while passes in which hardly any processor time is used. */
static bool is_idle(void) {
  uint64_t before = processor_time();
  poll(NULL, 0, 100);
  return processor_time() - before < 20000000;
}

/* Ends by itself, says so, and leaves nothing behind that runs. */
static void check_ends(struct rig *rig, int error) {
  await(atomic_load(&rig->ended) != 0);
  check_equal(atomic_load(&rig->ended), error);
  await(workers() == 0);
  await(is_idle());
  rig_close(rig);
}

CASE("ends by itself when the device is gone") {
  struct rig *rig = rig_open(ALL_FEATURES, true);
  shutdown(rig->tun_end, SHUT_RDWR);
  check_ends(rig, EBADFD);
}

CASE("ends by itself when the device is gone and peers still send") {
  struct rig *rig = rig_open(ALL_FEATURES, true);
  uint8_t packet[2000];
  struct packet_spec spec = udp_spec(PEER_POD, POD, 1000);
  size_t length = make_packet(packet, &spec);
  for (int i = 0; i < 50; i++) rig_send(rig, &rig->peer, packet, length);
  shutdown(rig->tun_end, SHUT_RDWR);
  for (int i = 0; i < 50; i++) rig_send(rig, &rig->peer, packet, length);
  check_ends(rig, EBADFD);
}

CASE("ends by itself when the socket has been shut down") {
  struct rig *rig = rig_open(ALL_FEATURES, true);
  /* Kernel: an unconnected socket says ENOTCONN and is shut down all the same. */
  shutdown(rig->udp, SHUT_RDWR);
  check_ends(rig, ESHUTDOWN);
}

static void note_end(void *context, int error) { atomic_store((atomic_int *)context, error); }

/* With descriptors of other kinds than it needs, or none. */
static int error_with(int tun, int udp) {
  atomic_int ended = 0;
  struct worker_options options = {.tun = tun,
                                   .udp = udp,
                                   .features = ALL_FEATURES,
                                   .fib = fib_create(NULL, 0),
                                   .settings = {.ipv4 = true, .mtu = MTU},
                                   .on_end = note_end,
                                   .context = &ended};
  struct worker *worker = worker_start(&options);
  check(worker != NULL);
  await(atomic_load(&ended) != 0);
  await(workers() == 0);
  await(is_idle());
  worker_end(worker);
  worker_free(worker);
  return atomic_load(&ended);
}

CASE("ends by itself when a descriptor is of another kind, or none") {
  int ends[2], event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  check(event >= 0 && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
  check_equal(error_with(ends[0], event), ENOTSOCK);
  check_equal(error_with(ends[0], 10000), EBADF);
  check_equal(error_with(10000, ends[0]), EBADF);
  close(event);
  close(ends[0]);
  close(ends[1]);
}

CASE("sleeps while nothing comes, and says nothing of its own end when it is stopped") {
  struct rig *rig = rig_open(ALL_FEATURES, true);
  await(is_idle());
  uint8_t packet[2000];
  struct packet_spec spec = udp_spec(POD, PEER_POD, 100);
  rig_write(rig, packet, make_packet(packet, &spec));
  rig_receive(rig, &rig->peer, packet);
  await(is_idle());
  rig_stop(rig);
  check_equal(atomic_load(&rig->ended), 0);
  rig_close(rig);
}

/* Traffic from both sides, as much as there is room for. */
struct flood {
  const struct rig *rig;
  atomic_bool over;
  atomic_size_t rounds;
  uint8_t outbound[2000], inbound[2000];
  size_t outbound_length, inbound_length;
  pthread_t threads[2];
};

static void *flood_from_host(void *data) {
  struct flood *flood = data;
  const struct virtio_net_hdr plain = {0};
  const struct iovec parts[2] = {{(void *)&plain, sizeof plain}, {flood->outbound, flood->outbound_length}};
  while (!atomic_load(&flood->over)) {
    uint8_t answer[2000];
    ssize_t written = writev(flood->rig->tun_end, parts, 2);
    check(written > 0 || errno == EAGAIN || errno == EPIPE);
    ssize_t got = read(flood->rig->tun_end, answer, sizeof answer);
    check(got >= 0 || errno == EAGAIN);
    atomic_fetch_add(&flood->rounds, 1);
  }
  return NULL;
}

static void *flood_from_peer(void *data) {
  struct flood *flood = data;
  const struct sockaddr *to = &flood->rig->address.any;
  while (!atomic_load(&flood->over)) {
    uint8_t received[2000];
    sendto(flood->rig->peer.fd, flood->inbound, flood->inbound_length, MSG_DONTWAIT, to, endpoint_size(&flood->rig->address));
    recv(flood->rig->peer.fd, received, sizeof received, MSG_DONTWAIT);
  }
  return NULL;
}

static struct flood *begin_flood(const struct rig *rig) {
  struct flood *flood = must_allocate(sizeof *flood);
  memset(flood, 0, sizeof *flood);
  struct packet_spec outbound = udp_spec(POD, PEER_POD, 200), inbound = udp_spec(PEER_POD, POD, 200);
  flood->rig = rig;
  flood->outbound_length = make_packet(flood->outbound, &outbound);
  flood->inbound_length = make_packet(flood->inbound, &inbound);
  check(pthread_create(&flood->threads[0], NULL, flood_from_host, flood) == 0);
  check(pthread_create(&flood->threads[1], NULL, flood_from_peer, flood) == 0);
  rig_await_count(rig, TUN_READS, 100);
  rig_await_count(rig, RECEIVED_PACKETS, 100);
  return flood;
}

static void end_flood(struct flood *flood) {
  atomic_store(&flood->over, true);
  for (int i = 0; i < 2; i++) pthread_join(flood->threads[i], NULL);
  free(flood);
}

CASE("stops at once while both sides flood it") {
  for (int i = 0; i < 5; i++) {
    struct rig *rig = rig_open(ALL_FEATURES, true);
    struct flood *flood = begin_flood(rig);
    uint64_t before = monotonic_now();
    rig_stop(rig);
    uint64_t took = monotonic_now() - before;
    end_flood(flood);
    rig_close(rig);
    check_context("%llu ms", (unsigned long long)took / 1000000);
    check(took < 2000000000u);
  }
}

/* Packets without end. */
struct endless {
  uint8_t packet[2000];
  size_t length;
};

static size_t next_packet(void *context, uint8_t *buffer) {
  const struct endless *endless = context;
  memcpy(buffer, endless->packet, endless->length);
  return endless->length;
}

CASE("serves both sides, takes tables and stops at once when there is always more to read") {
  struct rig *rig = rig_open(0, false);
  struct endless outbound, inbound;
  struct packet_spec out = udp_spec(POD, PEER_POD, 200), in = udp_spec(PEER_POD, POD, 200);
  outbound.length = make_packet(outbound.packet, &out);
  inbound.length = make_packet(inbound.packet, &in);
  const struct source from_host = {rig->tun, next_packet, &outbound}, from_peer = {rig->udp, next_packet, &inbound};
  read_from(&from_host);
  receive_from(&from_peer);
  /* The worker may sleep. */
  rig_write(rig, outbound.packet, outbound.length);
  rig_await_count(rig, TUN_READS, 5000);
  rig_await_count(rig, RECEIVED_PACKETS, 5000);
  worker_set_fib(rig->worker, fib_create(NULL, 0));
  rig_await_count(rig, DROPPED_NO_ROUTE, 1);
  uint64_t before = monotonic_now();
  rig_stop(rig);
  check(monotonic_now() - before < 2000000000u);
  read_from(NULL);
  receive_from(NULL);
  rig_close(rig);
}

CASE("ends by itself when the device goes while both sides flood it") {
  struct rig *rig = rig_open(ALL_FEATURES, true);
  struct flood *flood = begin_flood(rig);
  shutdown(rig->tun, SHUT_RDWR);
  await(atomic_load(&rig->ended) != 0);
  end_flood(flood);
  check_ends(rig, EBADFD);
}

CASE("takes new tables, and tells its counters, while both sides flood it") {
  struct rig *rig = rig_open(ALL_FEATURES, false);
  struct flood *flood = begin_flood(rig);
  uint64_t totals[COUNTERS] = {0}, last = 0;
  for (int i = 0; i < 2000; i++) {
    const struct host *first = i % 2 ? &rig->peer : &rig->stranger;
    worker_set_fib(rig->worker, rig_table(first, &rig->other_peer));
    memset(totals, 0, sizeof totals);
    worker_add_counters(rig->worker, totals);
    check(totals[TUN_READS] >= last);
    last = totals[TUN_READS];
    check_equal(worker_features(rig->worker), ALL_FEATURES);
  }
  worker_set_fib(rig->worker, rig_table(&rig->other_peer, &rig->other_peer));
  uint8_t packet[2000];
  check_equal(rig_receive(rig, &rig->other_peer, packet), flood->outbound_length);
  end_flood(flood);
  rig_close(rig);
}

CASE("takes a table in place of one that it has not looked at yet") {
  struct rig *rig = rig_open(ALL_FEATURES, true);
  for (int i = 0; i < 1000; i++) worker_set_fib(rig->worker, rig_table(&rig->stranger, &rig->stranger));
  worker_set_fib(rig->worker, rig_table(&rig->other_peer, &rig->peer));
  uint8_t packet[2000];
  struct packet_spec spec = udp_spec(POD, OTHER_PEER_POD, 100);
  size_t length = make_packet(packet, &spec);
  while (rig_is_quiet(rig)) {
    rig_write(rig, packet, length);
    rig_await_count(rig, SENT_PACKETS, 1);
  }
  await(!rig_is_quiet(rig));
  rig_close(rig);
}

CASE("leaves no thread, no descriptor and no memory behind, however often it is started and stopped") {
  rig_close(rig_open(ALL_FEATURES, true));
  size_t before = descriptors();
  for (int i = 0; i < 50; i++) {
    struct rig *rig = rig_open(i % 2 ? ALL_FEATURES : 0, true);
    if (i % 3 == 0) worker_set_fib(rig->worker, rig_table(&rig->peer, &rig->peer));
    rig_close(rig);
  }
  check_equal(workers(), 0);
  check_equal(descriptors(), before);
}

CASE("can be stopped before it has done anything, and with a table that it never took") {
  int ends[2], other[2];
  check(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
  check(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, other) == 0);
  for (int i = 0; i < 100; i++) {
    const struct worker_options options = {
        .tun = ends[0], .udp = other[0], .fib = fib_create(NULL, 0), .settings = {.ipv4 = true, .mtu = MTU}};
    struct worker *worker = worker_start(&options);
    check(worker != NULL);
    if (i % 2) worker_set_fib(worker, fib_create(NULL, 0));
    worker_end(worker);
    worker_free(worker);
  }
  check_equal(workers(), 0);
  for (int i = 0; i < 2; i++) close(ends[i]);
  for (int i = 0; i < 2; i++) close(other[i]);
}
