/* The data path as a whole: the socket, the device while it is attached, the worker, and the table that outlives both.
 * All functions are called on one thread; the listener is called on the worker's. */

#ifndef FLANNEL_UDP_DATAPATH_H
#define FLANNEL_UDP_DATAPATH_H

#include "worker.h"

struct datapath;

/* Opens the socket. `features` are those that are wanted. 0, or a negative errno: -EADDRINUSE when the port is taken,
 * -ENOENT when this host has no TUN devices. */
int datapath_open(const union endpoint *address, int buffer, unsigned features, const struct worker_options *listeners,
                  struct datapath **result);

/* Carries the packets of the device from now on. Errors are those of tun_attach, -EALREADY when a device is attached. */
int datapath_attach(struct datapath *datapath, const char *name, const struct traffic_settings *settings);

/* Lets go of the device; it stays. Does nothing when none is attached. */
void datapath_detach(struct datapath *datapath);

/* Replaces the forwarding table. False: no memory; the old one stays. */
bool datapath_set_routes(struct datapath *datapath, const struct route *routes, size_t count);

/* Since it was opened. */
void datapath_counters(const struct datapath *datapath, uint64_t totals[COUNTERS]);

/* What is on: while nothing is attached, what was on last. */
unsigned datapath_features(const struct datapath *datapath);

/* The name that the attached device has now; `name` has room for IFNAMSIZ bytes. False when none is attached. */
bool datapath_device(const struct datapath *datapath, char *name);

/* Of the socket, in bytes, as the kernel has granted it. */
unsigned datapath_buffer(const struct datapath *datapath);

/* Ends everything and frees it. */
void datapath_close(struct datapath *datapath);

#endif
