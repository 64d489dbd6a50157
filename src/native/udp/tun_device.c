/* Making TUN devices and attaching to them. */

#include "tun_device.h"

#include "kernel_interface.h"
#include "traffic.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

static const char CLONE_DEVICE[] = "/dev/net/tun";

/* Kernel: USO is had for both families or for none (set_offload() in drivers/net/tun.c). */
static const unsigned OFFLOAD_CHECKSUM = TUN_F_CSUM;
static const unsigned OFFLOAD_TSO = TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
static const unsigned OFFLOAD_USO = TUN_F_USO4 | TUN_F_USO6;

static int request(int fd, const char *name, int flags) {
  struct ifreq interface = {.ifr_flags = (short)flags};
  strncpy(interface.ifr_name, name, IFNAMSIZ - 1);
  return ioctl(fd, TUNSETIFF, &interface) == 0 ? 0 : -errno;
}

static bool is_persistent(int fd) {
  struct ifreq interface = {0};
  return ioctl(fd, TUNGETIFF, &interface) == 0 && (interface.ifr_flags & IFF_PERSIST) != 0;
}

int tun_check(void) {
  int fd = open(CLONE_DEVICE, O_RDWR | O_CLOEXEC);
  if (fd < 0) return -errno;
  close(fd);
  return 0;
}

int tun_create(const char *name) {
  if (if_nametoindex(name) != 0) return -EEXIST;
  int fd = open(CLONE_DEVICE, O_RDWR | O_CLOEXEC);
  if (fd < 0) return -errno;
  int result = request(fd, name, IFF_TUN | IFF_NO_PI);
  if (result == 0 && ioctl(fd, TUNSETPERSIST, 1) != 0) result = -errno;
  close(fd);
  return result;
}

/* Asks for as much as is wanted, then for less. */
static void set_offloads(int fd, unsigned *features) {
  const unsigned both = FEATURE_TSO | FEATURE_USO;
  const unsigned attempts[] = {*features & both, *features & FEATURE_TSO, 0};
  for (size_t i = 0; i < sizeof attempts / sizeof attempts[0]; i++) {
    unsigned offloads = OFFLOAD_CHECKSUM;
    if (attempts[i] & FEATURE_TSO) offloads |= OFFLOAD_TSO;
    if (attempts[i] & FEATURE_USO) offloads |= OFFLOAD_USO;
    if (ioctl(fd, TUNSETOFFLOAD, offloads) != 0) continue;
    *features = (*features & ~both) | attempts[i];
    return;
  }
  *features &= ~both;
}

/* Kernel: offloads and the header's size are the device's, and stay with it when whoever has set them is gone. Without a
 * header they would come unannounced: large packets, and checksums that nobody has completed. */
static void set_modes(int fd, unsigned *features) {
  int header_size = sizeof(struct virtio_net_hdr);
  (void)ioctl(fd, TUNSETVNETHDRSZ, &header_size);
  if (*features & FEATURE_VNET_HEADER) set_offloads(fd, features);
  else (void)ioctl(fd, TUNSETOFFLOAD, 0);
}

static int attach(int fd, const char *name, unsigned *features) {
  const unsigned dependent = FEATURE_TSO | FEATURE_USO | FEATURE_COALESCE_TCP | FEATURE_COALESCE_UDP;
  int result = -EINVAL;
  if (*features & FEATURE_VNET_HEADER) result = request(fd, name, IFF_TUN | IFF_NO_PI | IFF_VNET_HDR);
  if (result == -EINVAL) {
    *features &= ~(FEATURE_VNET_HEADER | dependent);
    result = request(fd, name, IFF_TUN | IFF_NO_PI);
  }
  if (result != 0) return result;
  set_modes(fd, features);
  /* Kernel: a device that did not exist was made just now, and goes with the descriptor. */
  return is_persistent(fd) ? 0 : -ENODEV;
}

int tun_attach(const char *name, unsigned *features) {
  /* Asking for a device that is not there would make one, and wake everybody who watches devices. */
  if (if_nametoindex(name) == 0) return -ENODEV;
  int fd = open(CLONE_DEVICE, O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return -errno;
  int result = attach(fd, name, features);
  if (result == 0) return fd;
  close(fd);
  return result;
}

/* Kernel: a descriptor stays with its device also when that is moved to another network namespace. */
static bool is_here(int fd) {
  int there = ioctl(fd, TUNGETDEVNETNS);
  if (there < 0) return true;
  struct stat its, ours;
  bool known = fstat(there, &its) == 0 && stat("/proc/self/ns/net", &ours) == 0;
  close(there);
  return !known || its.st_ino == ours.st_ino;
}

int tun_name(int fd, char *name) {
  struct ifreq interface = {0};
  if (ioctl(fd, TUNGETIFF, &interface) != 0) return -errno;
  if (!is_here(fd)) return -ENODEV;
  memcpy(name, interface.ifr_name, IFNAMSIZ);
  name[IFNAMSIZ - 1] = 0;
  return 0;
}
