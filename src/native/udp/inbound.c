/* Reading the socket, checking who sent what, and writing to the TUN device in pieces as large as can be. */

#include "inbound.h"

#include "coalesce.h"
#include "kernel_interface.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

/* Messages of a turn. After large ones fewer are read at once, so that what was read is still in the cache when it is
 * written. */
#define MOST_MESSAGES 32
#define FEW_MESSAGES 4
#define LARGE_BYTES 16384
/* The largest datagram; a little more, so that buffers do not fall on the same lines of the cache. */
#define BUFFER_SIZE (65536 + 1024 + 64)

union control {
  struct cmsghdr align;
  char bytes[CMSG_SPACE(sizeof(int))];
};

struct inbound {
  struct traffic *traffic;
  uint8_t *buffers;
  size_t next_count;
  /* The last source that was looked up: most packets come in runs. */
  uint8_t known_source[IP_MAX_ADDRESS];
  uint8_t known_version;
  union endpoint known_sender;
  uint64_t known_fib;
  /* Errno of a write that no further one will mend. */
  int broken;
  struct coalescer coalescer;
  struct mmsghdr headers[MOST_MESSAGES];
  struct iovec parts[MOST_MESSAGES];
  union endpoint senders[MOST_MESSAGES];
  union control controls[MOST_MESSAGES];
};

static bool write_packet(void *context, const struct iovec *parts, size_t number, size_t segments) {
  struct inbound *inbound = context;
  struct traffic *traffic = inbound->traffic;
  int error = write_to_tun(traffic, parts, number, segments);
  if (error == 0) {
    if (segments > 1) count(traffic, COALESCED_PACKETS, segments);
    return true;
  }
  /* EBADFD: the device was deleted. */
  if (error == EBADFD || error == EBADF) inbound->broken = error;
  if (error != EINVAL || segments == 1) return true;
  const struct virtio_net_hdr *vnet = parts[0].iov_base;
  bool tcp = vnet->gso_type != VIRTIO_NET_HDR_GSO_UDP_L4;
  count(traffic, FALLBACKS, 1);
  lose_feature(traffic, tcp ? FEATURE_COALESCE_TCP : FEATURE_COALESCE_UDP, error);
  return false;
}

void inbound_free(struct inbound *inbound) {
  if (inbound == NULL) return;
  free(inbound->buffers);
  free(inbound);
}

static bool is_peer(const struct fib *fib, const union endpoint *sender, const struct ip *header) {
  const struct route *route = fib_lookup(fib, header->version, header->source);
  return route != NULL && endpoint_is_same_host(&route->peer, sender);
}

static bool is_known(const struct inbound *inbound, const union endpoint *sender, const struct ip *header) {
  return inbound->known_fib == inbound->traffic->fib_version && inbound->known_version == header->version &&
         ip_is_same_address(header->version, inbound->known_source, header->source) &&
         endpoint_is_same_host(&inbound->known_sender, sender);
}

/* Whether the packet's source lies in the subnet of the peer that sent it. NAT may have changed the sender's port. */
static bool has_right_source(struct inbound *inbound, const union endpoint *sender, const struct ip *header) {
  const struct traffic *traffic = inbound->traffic;
  if (is_known(inbound, sender, header)) return true;
  if (!is_peer(traffic->fib, sender, header)) return false;
  inbound->known_fib = traffic->fib_version;
  inbound->known_version = header->version;
  memcpy(inbound->known_source, header->source, ip_address_length(header->version));
  inbound->known_sender = *sender;
  return true;
}

/* Larger than what our pods' devices carry. As a router would: it is passed on to the kernel, which makes fragments of
 * it, unless it forbids that; then its sender is told. */
static bool is_refused_for_size(struct inbound *inbound, const union endpoint *sender, const uint8_t *packet,
                                const struct ip *header) {
  struct traffic *traffic = inbound->traffic;
  if (header->length <= traffic->settings.mtu || !ip_forbids_fragments(header)) return false;
  count(traffic, DROPPED_OVERSIZED, 1);
  if (!may_send_icmp(traffic, packet, header)) return true;
  uint8_t answer[ICMP_MAX_LENGTH];
  size_t length = icmp_write(answer, ICMP_FRAGMENTATION_NEEDED, traffic->settings.mtu, packet, header,
                             own_address(traffic, header));
  if (send_datagram(traffic, sender, answer, length)) count(traffic, ICMP_SENT, 1);
  return true;
}

static void take_packet(struct inbound *inbound, const union endpoint *sender, uint8_t *packet, size_t length) {
  struct traffic *traffic = inbound->traffic;
  struct ip header;
  count(traffic, RECEIVED_PACKETS, 1);
  count(traffic, RECEIVED_BYTES, length);
  if (!read_headers(traffic, packet, length, &header)) return;
  if (traffic->settings.check_source && !has_right_source(inbound, sender, &header)) {
    count(traffic, fib_has_peer(traffic->fib, sender) ? DROPPED_WRONG_SOURCE : DROPPED_NO_PEER, 1);
    return;
  }
  if (is_refused_for_size(inbound, sender, packet, &header)) return;
  coalescer_add(&inbound->coalescer, packet, &header);
}

/* The size of the datagrams in a message; 0 when it is one. */
static size_t datagram_size(struct msghdr *header) {
  for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(header); cmsg != NULL; cmsg = CMSG_NXTHDR(header, cmsg)) {
    int size;
    if (cmsg->cmsg_level != SOL_UDP || cmsg->cmsg_type != UDP_GRO) continue;
    memcpy(&size, CMSG_DATA(cmsg), sizeof size);
    return size > 0 ? (size_t)size : 0;
  }
  return 0;
}

/* Returns how many datagrams were in it. */
static size_t take_message(struct inbound *inbound, size_t index) {
  struct traffic *traffic = inbound->traffic;
  size_t length = inbound->headers[index].msg_len;
  size_t size = datagram_size(&inbound->headers[index].msg_hdr);
  uint8_t *packet = inbound->parts[index].iov_base;
  count(traffic, RECEIVED_MESSAGES, 1);
  if (length == 0) {
    count(traffic, DROPPED_MALFORMED, 1);
    return 1;
  }
  if (size == 0 || size > length) size = length;
  size_t datagrams = 0;
  for (size_t left = length; left > 0; packet += size, left -= size) {
    if (size > left) size = left;
    take_packet(inbound, &inbound->senders[index], packet, size);
    datagrams++;
  }
  return datagrams;
}

/* recvmmsg changes the headers of those messages that it has received, and of no others. */
static void prepare(struct inbound *inbound, size_t number) {
  for (size_t i = 0; i < number; i++) {
    inbound->parts[i] = (struct iovec){inbound->buffers + i * BUFFER_SIZE, 65536};
    inbound->headers[i].msg_hdr = (struct msghdr){
        .msg_name = &inbound->senders[i],
        .msg_namelen = sizeof inbound->senders[i],
        .msg_iov = &inbound->parts[i],
        .msg_iovlen = 1,
        .msg_control = inbound->controls[i].bytes,
        .msg_controllen = sizeof inbound->controls[i].bytes,
    };
  }
}

struct inbound *inbound_create(struct traffic *traffic) {
  struct inbound *inbound = calloc(1, sizeof *inbound);
  if (inbound == NULL) return NULL;
  inbound->traffic = traffic;
  inbound->next_count = MOST_MESSAGES;
  inbound->coalescer = (struct coalescer){
      .tcp = has_feature(traffic, FEATURE_COALESCE_TCP),
      .udp = has_feature(traffic, FEATURE_COALESCE_UDP),
      .write = write_packet,
      .context = inbound,
  };
  inbound->buffers = malloc((size_t)MOST_MESSAGES * BUFFER_SIZE);
  if (inbound->buffers == NULL) {
    free(inbound);
    return NULL;
  }
  prepare(inbound, MOST_MESSAGES);
  return inbound;
}

/* Errors that a datagram of ours has brought upon the socket, and that are over once they have been read. */
static bool is_passing(int error) {
  return error == ECONNREFUSED || error == EHOSTUNREACH || error == ENETUNREACH || error == EMSGSIZE ||
         error == ENOMEM || error == ENOBUFS || error == EPROTO || error == ENETDOWN || error == EHOSTDOWN;
}

struct turn inbound_run(struct inbound *inbound) {
  size_t number = inbound->next_count;
  struct turn turn = {0};
  int received;
  do received = recvmmsg(inbound->traffic->udp, inbound->headers, (unsigned)number, MSG_DONTWAIT, NULL);
  while (received < 0 && errno == EINTR);
  if (received < 0) {
    turn.error = errno == EAGAIN || is_passing(errno) ? 0 : errno;
    return turn;
  }
  count(inbound->traffic, RECEIVED_CALLS, 1);
  bool large = false;
  for (size_t i = 0; i < (size_t)received; i++) {
    large |= inbound->headers[i].msg_len >= LARGE_BYTES;
    if (take_message(inbound, i) == 1) turn.small++;
  }
  coalescer_flush(&inbound->coalescer);
  prepare(inbound, (size_t)received);
  inbound->next_count = large ? FEW_MESSAGES : MOST_MESSAGES;
  turn.packets = (size_t)received;
  turn.more = turn.packets == number;
  turn.error = inbound->broken;
  return turn;
}
