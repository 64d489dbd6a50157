/* Sockets in the place of devices. */

#include "rig.h"

#include "checksum.h"
#include "underlay_socket.h"

#include "../check.h"
#include "../faults.h"
#include "../packets.h"
#include "../routes.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

/* Gives the other threads a turn. */
void rest(void) { poll(NULL, 0, 1); }

void for_each_combination(void (*body)(unsigned features)) {
  static const struct {
    const char *name;
    unsigned features;
  } combinations[] = {
      {"all features", ALL_FEATURES},
      {"without virtio headers", ALL_FEATURES & ~(FEATURE_VNET_HEADER | TUN_OFFLOADS)},
      {"without TSO", ALL_FEATURES & ~FEATURE_TSO},
      {"without USO", ALL_FEATURES & ~FEATURE_USO},
      {"without UDP_SEGMENT", ALL_FEATURES & ~FEATURE_UDP_SEGMENT},
      {"without UDP_GRO", ALL_FEATURES & ~FEATURE_UDP_GRO},
      {"without coalescing TCP", ALL_FEATURES & ~FEATURE_COALESCE_TCP},
      {"without coalescing UDP", ALL_FEATURES & ~FEATURE_COALESCE_UDP},
      {"without vectors", ALL_FEATURES & ~FEATURE_VECTOR_CHECKSUM},
      {"without any feature", 0},
  };
  for (size_t i = 0; i < sizeof combinations / sizeof combinations[0]; i++) {
    check_context("%s", combinations[i].name);
    body(combinations[i].features);
  }
}

/* On any free port. */
static union endpoint loopback(sa_family_t family, uint32_t address) {
  if (family == AF_INET) return endpoint_of(htonl(address), 0);
  return (union endpoint){.v6 = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback}};
}

static struct host open_host(sa_family_t family, uint32_t address) {
  struct host host = {.fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0), .address = loopback(family, address)};
  socklen_t length = sizeof host.address;
  const int size = 1 << 20;
  check(host.fd >= 0 && bind(host.fd, &host.address.any, endpoint_size(&host.address)) == 0);
  check(getsockname(host.fd, &host.address.any, &length) == 0);
  check(setsockopt(host.fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size) == 0);
  return host;
}

static void note_loss(void *context, enum feature feature, int error) {
  struct rig *rig = context;
  check_equal(error, EINVAL);
  atomic_fetch_or(&rig->lost, (unsigned)feature);
  atomic_fetch_add(&rig->losses, 1);
}

static void note_end(void *context, int error) {
  struct rig *rig = context;
  check(error > 0);
  atomic_store(&rig->ended, error);
}

struct fib *rig_table(const struct host *first, const struct host *second) {
  struct route routes[] = {route_of(PEER_POD & 0xffffff00, 24, 0, 0), route_of(OTHER_PEER_POD & 0xffffff00, 24, 0, 0),
                           route6_of(PEER_POD, 24, 0, 0), route6_of(OTHER_PEER_POD, 24, 0, 0)};
  for (size_t i = 0; i < 4; i++) routes[i].peer = i % 2 == 0 ? first->address : second->address;
  struct fib *fib = fib_create(routes, 4);
  check(fib != NULL);
  return fib;
}

static bool is_readable(int fd) {
  struct pollfd polled = {.fd = fd, .events = POLLIN};
  return poll(&polled, 1, 0) > 0;
}

bool rig_is_quiet(const struct rig *rig) {
  return !is_readable(rig->tun_end) && !is_readable(rig->peer.fd) && !is_readable(rig->other_peer.fd) &&
         !is_readable(rig->stranger.fd) && rig->next_segment == rig->segmenter.count;
}

static void start(struct rig *rig, bool check_source) {
  struct worker_options options = {
      .tun = rig->tun,
      .udp = rig->udp,
      .features = rig->features,
      .fib = rig_table(&rig->peer, &rig->other_peer),
      .settings = {.ipv4 = true,
                   .ipv6 = true,
                   .ipv4_address.s_addr = htonl(OWN),
                   .mtu = MTU,
                   .check_source = check_source},
      .on_feature_lost = note_loss,
      .on_end = note_end,
      .context = rig,
  };
  write_address(true, OWN, options.settings.ipv6_address.s6_addr);
  rig->worker = worker_start(&options);
  check(rig->worker != NULL);
}

static struct rig *open_over(sa_family_t family, unsigned features, bool check_source) {
  struct rig *rig = must_allocate(sizeof *rig);
  const union endpoint any = loopback(family, ADDRESS(127, 0, 0, 1));
  socklen_t length = sizeof rig->address;
  int ends[2];
  memset(rig, 0, sizeof *rig);
  check(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
  rig->tun = ends[0];
  rig->tun_end = ends[1];
  rig->features = features;
  rig->udp = underlay_socket_open(&any, 1 << 20, &rig->features);
  check(rig->udp >= 0);
  check_equal(rig->features, features);
  check(getsockname(rig->udp, &rig->address.any, &length) == 0);
  rig->peer = open_host(family, ADDRESS(127, 0, 0, 2));
  rig->other_peer = open_host(family, ADDRESS(127, 0, 0, 3));
  rig->stranger = open_host(family, ADDRESS(127, 0, 0, 4));
  checksum_choose((features & FEATURE_VECTOR_CHECKSUM) != 0);
  start(rig, check_source);
  worker_add_counters(rig->worker, rig->before);
  return rig;
}

struct rig *rig_open(unsigned features, bool check_source) { return open_over(AF_INET, features, check_source); }

struct rig *rig_open_over_ipv6(unsigned features) { return open_over(AF_INET6, features, true); }

void rig_stop(struct rig *rig) {
  if (rig->worker != NULL) {
    worker_end(rig->worker);
    worker_free(rig->worker);
  }
  rig->worker = NULL;
}

void rig_close(struct rig *rig) {
  rig_stop(rig);
  close(rig->tun);
  close(rig->tun_end);
  close(rig->udp);
  close(rig->peer.fd);
  close(rig->other_peer.fd);
  close(rig->stranger.fd);
  free(rig);
}

uint64_t rig_counted(const struct rig *rig, enum counter which) {
  uint64_t totals[COUNTERS] = {0};
  worker_add_counters(rig->worker, totals);
  return totals[which] - rig->before[which];
}

void rig_await_count(const struct rig *rig, enum counter which, uint64_t at_least) {
  await(rig_counted(rig, which) >= at_least);
}

void rig_check_count(const struct rig *rig, enum counter which, uint64_t expected) {
  rig_await_count(rig, which, expected);
  check_equal(rig_counted(rig, which), expected);
}

void rig_write_with(const struct rig *rig, const struct virtio_net_hdr *vnet, const uint8_t *packet, size_t length) {
  const struct iovec parts[2] = {{(void *)vnet, vnet != NULL ? sizeof *vnet : 0}, {(void *)packet, length}};
  ssize_t written;
  await((written = writev(rig->tun_end, parts, 2)) >= 0 || errno != EAGAIN);
  check_equal(written, parts[0].iov_len + length);
}

void rig_write(const struct rig *rig, const uint8_t *packet, size_t length) {
  const struct virtio_net_hdr plain = {0};
  rig_write_with(rig, rig->features & FEATURE_VNET_HEADER ? &plain : NULL, packet, length);
}

static size_t read_segment(struct rig *rig, uint8_t *packet) {
  const uint8_t *payload;
  size_t length = segmenter_write(&rig->segmenter, rig->next_segment++, packet, &payload);
  memcpy(packet + rig->segmenter.headers_length, payload, length);
  return rig->segmenter.headers_length + length;
}

size_t rig_read(struct rig *rig, uint8_t *packet) {
  struct virtio_net_hdr vnet = {0};
  size_t header_size = rig->features & FEATURE_VNET_HEADER ? sizeof vnet : 0;
  if (rig->next_segment < rig->segmenter.count) return read_segment(rig, packet);
  const struct iovec parts[2] = {{&vnet, header_size}, {rig->large, sizeof rig->large}};
  ssize_t length;
  await((length = readv(rig->tun_end, parts, 2)) >= 0 || errno != EAGAIN);
  check(length > (ssize_t)header_size);
  size_t left = (size_t)length - header_size;
  if (vnet.gso_type == VIRTIO_NET_HDR_GSO_NONE) {
    check_equal(vnet.flags, 0);
    memcpy(packet, rig->large, left);
    return left;
  }
  struct ip header;
  check_equal(ip_parse(rig->large, left, &header), IP_GOOD);
  check(segmenter_open(&rig->segmenter, rig->large, &header, &vnet));
  rig->next_segment = 0;
  return read_segment(rig, packet);
}

void rig_send_train(const struct rig *rig, const struct host *host, const uint8_t *data, size_t length, size_t size) {
  uint16_t segment = (uint16_t)size;
  union {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof segment)];
  } control;
  struct iovec part = {(void *)data, length};
  struct msghdr header = {.msg_name = (void *)&rig->address,
                          .msg_namelen = endpoint_size(&rig->address),
                          .msg_iov = &part,
                          .msg_iovlen = 1,
                          .msg_control = control.bytes,
                          .msg_controllen = sizeof control.bytes};
  struct cmsghdr *cmsg = CMSG_FIRSTHDR(&header);
  cmsg->cmsg_level = SOL_UDP;
  cmsg->cmsg_type = UDP_SEGMENT;
  cmsg->cmsg_len = CMSG_LEN(sizeof segment);
  memcpy(CMSG_DATA(cmsg), &segment, sizeof segment);
  check_equal(sendmsg(host->fd, &header, 0), length);
}

void rig_send(const struct rig *rig, const struct host *host, const uint8_t *data, size_t length) {
  check_equal(sendto(host->fd, data, length, 0, &rig->address.any, endpoint_size(&rig->address)), length);
}

size_t rig_receive(const struct rig *rig, const struct host *host, uint8_t *packet) {
  union endpoint from;
  socklen_t from_length = sizeof from;
  await(is_readable(host->fd));
  ssize_t length = recvfrom(host->fd, packet, 65536, MSG_DONTWAIT, &from.any, &from_length);
  check(length >= 0);
  check(endpoint_is_same(&from, &rig->address));
  return (size_t)length;
}
