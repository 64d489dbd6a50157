/* Numbers of the kernel's interface that the C library's headers may be too old to know. */

#ifndef FLANNEL_UDP_KERNEL_INTERFACE_H
#define FLANNEL_UDP_KERNEL_INTERFACE_H

#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <netinet/udp.h>

/* Linux 6.2 */
#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

/* Linux 4.18 and 5.0 */
#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

#endif
