/* Frames sent through a device as they are, either with a complete checksum or with one that is left to the device as the
 * kernel leaves those of its own packets; and the answers to them, before any firewall of this host sees them.
 * It knows nothing of what is sent: frames are built and read in src/offload. */

#include "binding.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

static const napi_type_tag PACKET_TAG = {0x3b0c6d81f2e94a57, 0xa94d17e05c3862bf};

/* What is read of an answer; the headers fit several times over. */
#define LONGEST_ANSWER 256

/* Offsets in an Ethernet frame that carries IPv4. */
#define ETHER_TYPE 12
#define IP_HEADER 14
#define IP_PROTOCOL (IP_HEADER + 9)
#define IP_DESTINATION (IP_HEADER + 16)

/* Only what comes to `address` by TCP from `port`, or by ICMP, is put into the socket's queue: the device carries the
 * packets of all pods. */
static int attach_filter(int fd, uint32_t address, uint16_t port) {
  struct sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_H | BPF_ABS, ETHER_TYPE),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_IP, 0, 9),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, IP_DESTINATION),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, address, 0, 7),
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, IP_PROTOCOL),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_ICMP, 4, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_TCP, 0, 4),
      BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, IP_HEADER),
      BPF_STMT(BPF_LD | BPF_H | BPF_IND, IP_HEADER),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, port, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, LONGEST_ANSWER),
      BPF_STMT(BPF_RET | BPF_K, 0),
  };
  struct sock_fprog filter = {.len = sizeof program / sizeof program[0], .filter = program};
  return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter) < 0 ? errno : 0;
}

/* Returns a descriptor, or a negative errno. Nothing is received before the filter is in place. */
static int open_socket(const char *device, uint32_t address, uint16_t port) {
  const int one = 1;
  struct sockaddr_ll name = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP)};
  name.sll_ifindex = (int)if_nametoindex(device);
  if (name.sll_ifindex == 0) return -errno;
  int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -errno;
  int error = attach_filter(fd, address, port);
  if (error == 0 && setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof one) < 0) error = errno;
  if (error == 0 && bind(fd, (struct sockaddr *)&name, sizeof name) < 0) error = errno;
  if (error == 0) return fd;
  close(fd);
  return -error;
}

static void packet_finalize(napi_env env, void *data, void *hint) {
  (void)env;
  (void)hint;
  int *fd = data;
  if (*fd >= 0) close(*fd);
  free(fd);
}

/* packetOpen(device, address, port): a handle. The address is an IPv4 address as a number. */
napi_value packet_open(napi_env env, napi_callback_info info) {
  napi_value arguments[3];
  char device[IFNAMSIZ];
  size_t length;
  uint32_t address, port;
  if (!read_arguments(env, info, 3, arguments)) return NULL;
  if (napi_get_value_string_utf8(env, arguments[0], device, sizeof device, &length) != napi_ok ||
      napi_get_value_uint32(env, arguments[1], &address) != napi_ok ||
      napi_get_value_uint32(env, arguments[2], &port) != napi_ok || port > UINT16_MAX) {
    return throw_type(env, "device, address and port expected");
  }
  int fd = open_socket(device, address, (uint16_t)port);
  if (fd < 0) return throw_errno(env, -fd, "packet socket");
  int *held = malloc(sizeof *held);
  if (held == NULL) {
    close(fd);
    return throw_errno(env, ENOMEM, "malloc");
  }
  *held = fd;
  napi_value handle = wrap_handle(env, &PACKET_TAG, held, packet_finalize);
  if (handle == NULL) packet_finalize(env, held, NULL);
  return handle;
}

/* packetSend(handle, frame, start, offset): the checksum at `start + offset` over all from `start` on is left to the
 * device, and the frame has that of the pseudo header in its place; start 0 for a frame whose checksums are complete. */
napi_value packet_send(napi_env env, napi_callback_info info) {
  napi_value arguments[4];
  void *frame;
  size_t length;
  uint32_t start, offset;
  if (!read_arguments(env, info, 4, arguments)) return NULL;
  int *fd = unwrap_handle(env, &PACKET_TAG, arguments[0]);
  if (fd == NULL) return NULL;
  if (napi_get_buffer_info(env, arguments[1], &frame, &length) != napi_ok ||
      napi_get_value_uint32(env, arguments[2], &start) != napi_ok ||
      napi_get_value_uint32(env, arguments[3], &offset) != napi_ok || start > UINT16_MAX || offset > UINT16_MAX) {
    return throw_type(env, "frame, start and offset expected");
  }
  struct virtio_net_hdr header = {0};
  if (start > 0) {
    header.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
    header.csum_start = (uint16_t)start;
    header.csum_offset = (uint16_t)offset;
  }
  struct iovec parts[] = {{.iov_base = &header, .iov_len = sizeof header}, {.iov_base = frame, .iov_len = length}};
  return writev(*fd, parts, 2) < 0 ? throw_errno(env, errno, "sending a frame") : NULL;
}

/* packetReceive(handle): the beginning of the next frame, or null when there is none. */
napi_value packet_receive(napi_env env, napi_callback_info info) {
  napi_value argument, result;
  struct virtio_net_hdr header;
  unsigned char frame[LONGEST_ANSWER];
  if (!read_arguments(env, info, 1, &argument)) return NULL;
  int *fd = unwrap_handle(env, &PACKET_TAG, argument);
  if (fd == NULL) return NULL;
  struct iovec parts[] = {{.iov_base = &header, .iov_len = sizeof header},
                          {.iov_base = frame, .iov_len = sizeof frame}};
  ssize_t size;
  do size = readv(*fd, parts, 2);
  while (size < 0 && errno == EINTR);
  if (size < 0 && errno == EAGAIN) return napi_get_null(env, &result) == napi_ok ? result : NULL;
  if (size < 0) return throw_errno(env, errno, "receiving a frame");
  size_t length = (size_t)size > sizeof header ? (size_t)size - sizeof header : 0;
  napi_status status = napi_create_buffer_copy(env, length, frame, NULL, &result);
  return status == napi_ok ? result : throw_type(env, "cannot make a buffer");
}

/* packetClose(handle). May be called twice. */
napi_value packet_close(napi_env env, napi_callback_info info) {
  napi_value argument;
  if (!read_arguments(env, info, 1, &argument)) return NULL;
  int *fd = unwrap_handle(env, &PACKET_TAG, argument);
  if (fd != NULL && *fd >= 0) {
    close(*fd);
    *fd = -1;
  }
  return NULL;
}
