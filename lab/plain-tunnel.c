/* A tunnel end that is as simple as can be, and like the Go daemon's udp backend on the wire: its own TUN device, one IPv4
 * packet a datagram, one system call for each, TTL taken down in both directions. The device goes with the process.
 * Usage: plain-tunnel DEVICE                                   holds the device, nothing more
 *        plain-tunnel DEVICE MTU ADDRESS PORT [NETWORK/LENGTH=ADDRESS]...
 * Prints "ready" when the device is there; addresses and routes are for the caller to set. */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define MOST_PEERS 16

struct peer {
  uint32_t network;
  uint32_t mask;
  struct sockaddr_in to;
};

static struct peer peers[MOST_PEERS];
static int peer_count;

static int open_tun(const char *name) {
  struct ifreq interface = {.ifr_flags = IFF_TUN | IFF_NO_PI};
  strncpy(interface.ifr_name, name, IFNAMSIZ - 1);
  int fd = open("/dev/net/tun", O_RDWR);
  return fd >= 0 && ioctl(fd, TUNSETIFF, &interface) == 0 ? fd : -1;
}

static int read_peer(char *word, uint16_t port) {
  char *slash = strchr(word, '/'), *equals = strchr(word, '=');
  if (slash == NULL || equals == NULL || peer_count == MOST_PEERS) return -1;
  *slash = *equals = 0;
  struct peer *peer = &peers[peer_count++];
  peer->to = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port)};
  peer->mask = htonl(0xffffffffu << (32 - atoi(slash + 1)));
  return inet_pton(AF_INET, word, &peer->network) == 1 && inet_pton(AF_INET, equals + 1, &peer->to.sin_addr) == 1 ? 0 : -1;
}

static int decrement_ttl(uint8_t *packet) {
  if (packet[8] <= 1) return 0;
  packet[8]--;
  uint32_t sum = ((uint32_t)packet[10] << 8 | packet[11]) + 0x100;
  sum = (sum & 0xffff) + (sum >> 16);
  packet[10] = (uint8_t)(sum >> 8);
  packet[11] = (uint8_t)sum;
  return 1;
}

static void to_peer(int udp, uint8_t *packet, ssize_t length) {
  uint32_t destination;
  memcpy(&destination, packet + 16, 4);
  for (int i = 0; i < peer_count; i++) {
    if ((destination & peers[i].mask) != peers[i].network) continue;
    if (decrement_ttl(packet)) (void)!sendto(udp, packet, (size_t)length, 0, (struct sockaddr *)&peers[i].to, sizeof peers[i].to);
    return;
  }
}

static int carry(int tun, int udp, size_t size) {
  uint8_t *packet = malloc(size);
  struct pollfd polled[2] = {{.fd = tun, .events = POLLIN}, {.fd = udp, .events = POLLIN}};
  while (packet != NULL && poll(polled, 2, -1) > 0) {
    ssize_t length;
    if (polled[0].revents && (length = read(tun, packet, size)) >= 20) to_peer(udp, packet, length);
    if (polled[1].revents && (length = recv(udp, packet, size, 0)) >= 20 && decrement_ttl(packet)) {
      (void)!write(tun, packet, (size_t)length);
    }
  }
  return 1;
}

int main(int argc, char **argv) {
  if (argc != 2 && argc < 5) return 64;
  int tun = open_tun(argv[1]);
  if (tun < 0) {
    perror(argv[1]);
    return 1;
  }
  int udp = -1;
  if (argc > 2) {
    struct sockaddr_in local = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[4]))};
    udp = socket(AF_INET, SOCK_DGRAM, 0);
    if (inet_pton(AF_INET, argv[3], &local.sin_addr) != 1 || bind(udp, (struct sockaddr *)&local, sizeof local) != 0) {
      perror(argv[3]);
      return 1;
    }
    for (int i = 5; i < argc; i++) {
      if (read_peer(argv[i], (uint16_t)atoi(argv[4])) != 0) return 64;
    }
  }
  puts("ready");
  fflush(stdout);
  if (udp < 0) for (;;) pause();
  return carry(tun, udp, (size_t)atoi(argv[2]));
}
