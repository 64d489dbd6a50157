/* TUN devices (Documentation/networking/tuntap.rst). A device of ours is persistent: it, its address and its route stay
 * when the process that carries its packets ends, and are there when the next one comes. */

#ifndef FLANNEL_UDP_TUN_DEVICE_H
#define FLANNEL_UDP_TUN_DEVICE_H

/* 0 when this process can have TUN devices, else a negative errno: -ENOENT when the kernel has none, or this container was
 * not given any. */
int tun_check(void);

/* Makes a persistent device, down. 0 or a negative errno; -EEXIST when there is anything of that name. */
int tun_create(const char *name);

/* Takes over the packets of a persistent device. Takes out of `features` what the kernel does not offer. Returns a
 * nonblocking descriptor or a negative errno: -ENODEV when there is no such device, -EBUSY when another process has it,
 * -EINVAL when the name is that of a device of another kind. */
int tun_attach(const char *name, unsigned *features);

/* The name of the device that a descriptor is attached to, as it is now; it may have been renamed. `name` has room for
 * IFNAMSIZ bytes. 0 or a negative errno. */
int tun_name(int fd, char *name);

#endif
