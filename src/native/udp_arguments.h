/* Addresses, names and routes of the data path as they come from JavaScript. */

#ifndef FLANNEL_UDP_ARGUMENTS_H
#define FLANNEL_UDP_ARGUMENTS_H

#include "binding.h"

#include "udp/datapath.h"

/* Kernel: IFNAMSIZ, with the terminating zero. */
#define INTERFACE_NAME 16

/* Reads the octets of an address, in network order: 4 of IPv4 or 16 of IPv6. False when it is neither. */
bool read_endpoint(napi_env env, napi_value octets, uint16_t port, union endpoint *endpoint);

/* The same of a tunnel's address, or null when the version is not carried. */
bool read_tunnel_address(napi_env env, napi_value octets, void *address, size_t size, bool *carried);

/* False unless it is the name that an interface can have: a longer one would be cut to that of another. */
bool read_interface_name(napi_env env, napi_value value, char name[INTERFACE_NAME]);

/* The caller frees them. NULL with a pending exception when they cannot be read. */
struct route *read_routes(napi_env env, napi_value buffer, size_t *count);

#endif
