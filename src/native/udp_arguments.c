/* Reading what JavaScript gives to the data path. */

#include "udp_arguments.h"

#include <errno.h>
#include <stdlib.h>

/* A route as it comes from JavaScript, all in network order: the subnet's address and the peer's, each with room for IPv6;
 * the port; the prefix length; the IP versions of the subnet and of the peer; three spare bytes. */
enum {
  ROUTE_NETWORK = 0,
  ROUTE_PEER = 16,
  ROUTE_PORT = 32,
  ROUTE_LENGTH = 34,
  ROUTE_NETWORK_VERSION = 35,
  ROUTE_PEER_VERSION = 36,
  ROUTE_SIZE = 40,
};

static void set_endpoint(union endpoint *endpoint, const uint8_t *octets, uint8_t version, uint16_t port) {
  memset(endpoint, 0, sizeof *endpoint);
  if (version == 4) {
    endpoint->v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = port};
    memcpy(&endpoint->v4.sin_addr, octets, 4);
  } else {
    endpoint->v6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = port};
    memcpy(&endpoint->v6.sin6_addr, octets, 16);
  }
}

bool read_endpoint(napi_env env, napi_value octets, uint16_t port, union endpoint *endpoint) {
  void *data;
  size_t length;
  if (napi_get_buffer_info(env, octets, &data, &length) != napi_ok || (length != 4 && length != 16)) return false;
  set_endpoint(endpoint, data, length == 4 ? 4 : 6, htons(port));
  return true;
}

bool read_tunnel_address(napi_env env, napi_value octets, void *address, size_t size, bool *carried) {
  napi_valuetype type;
  void *data;
  size_t length;
  if (napi_typeof(env, octets, &type) != napi_ok) return false;
  *carried = type != napi_null;
  if (!*carried) return true;
  if (napi_get_buffer_info(env, octets, &data, &length) != napi_ok || length != size) return false;
  memcpy(address, data, size);
  return true;
}

bool read_interface_name(napi_env env, napi_value value, char name[INTERFACE_NAME]) {
  size_t length;
  if (napi_get_value_string_utf8(env, value, NULL, 0, &length) != napi_ok || length == 0 || length >= INTERFACE_NAME) {
    return false;
  }
  return napi_get_value_string_utf8(env, value, name, INTERFACE_NAME, &length) == napi_ok;
}

static void set_route(struct route *route, const uint8_t *bytes) {
  uint16_t port;
  route->version = bytes[ROUTE_NETWORK_VERSION] == 4 ? 4 : 6;
  size_t longest = 8 * ip_address_length(route->version);
  route->length = bytes[ROUTE_LENGTH] <= longest ? bytes[ROUTE_LENGTH] : (uint8_t)longest;
  memcpy(route->network, bytes + ROUTE_NETWORK, sizeof route->network);
  memcpy(&port, bytes + ROUTE_PORT, sizeof port);
  set_endpoint(&route->peer, bytes + ROUTE_PEER, bytes[ROUTE_PEER_VERSION] == 4 ? 4 : 6, port);
}

struct route *read_routes(napi_env env, napi_value buffer, size_t *count) {
  void *data;
  size_t length;
  if (napi_get_buffer_info(env, buffer, &data, &length) != napi_ok || length % ROUTE_SIZE != 0) {
    throw_type(env, "a buffer of routes expected");
    return NULL;
  }
  *count = length / ROUTE_SIZE;
  struct route *routes = calloc(*count + 1, sizeof *routes);
  if (routes == NULL) throw_errno(env, ENOMEM, "routes");
  for (size_t i = 0; routes != NULL && i < *count; i++) set_route(&routes[i], (const uint8_t *)data + i * ROUTE_SIZE);
  return routes;
}
