/* The data path as JavaScript sees it: a handle and functions, typed in native.ts. What the worker has to say comes
 * through a thread-safe function; packets never come here. */

#include "udp_arguments.h"

#include "udp/tun_device.h"

#include <errno.h>
#include <stdlib.h>

/* What the worker can have said before the main thread listens: each feature once, and its end. */
#define MOST_EVENTS 16

enum event_kind { EVENT_ENDED, EVENT_FEATURE_LOST };

struct event {
  uint32_t kind;
  uint32_t feature;
  int error;
};

struct handle {
  struct datapath *datapath;
  napi_env env;
  napi_threadsafe_function notify;
  /* Held by the JavaScript handle and by the thread-safe function; both are let go of on the main thread. */
  int references;
};

static const napi_type_tag DATAPATH_TAG = {0x6c3e91d47a0b5f28, 0x92b7d5e0148fca63};

static void release(struct handle *handle) {
  if (--handle->references == 0) free(handle);
}

/* On the worker's thread. */
static void say(struct handle *handle, uint32_t kind, uint32_t feature, int error) {
  struct event *event = malloc(sizeof *event);
  if (event == NULL) return;
  *event = (struct event){kind, feature, error};
  if (napi_call_threadsafe_function(handle->notify, event, napi_tsfn_nonblocking) != napi_ok) free(event);
}

static void on_end(void *context, int error) { say(context, EVENT_ENDED, 0, error); }

static void on_feature_lost(void *context, enum feature feature, int error) {
  say(context, EVENT_FEATURE_LOST, feature, error);
}

/* On the main thread, for each event. */
static void call_listener(napi_env env, napi_value listener, void *context, void *data) {
  struct handle *handle = context;
  struct event event = *(struct event *)data;
  free(data);
  if (env == NULL || handle->datapath == NULL) return;
  napi_value arguments[3], undefined, thrown;
  const char *name = strerrorname_np(event.error);
  if (napi_create_uint32(env, event.kind, &arguments[0]) != napi_ok ||
      napi_create_uint32(env, event.feature, &arguments[1]) != napi_ok ||
      napi_create_string_utf8(env, name != NULL ? name : "UNKNOWN", NAPI_AUTO_LENGTH, &arguments[2]) != napi_ok ||
      napi_get_undefined(env, &undefined) != napi_ok) {
    return;
  }
  napi_status status = napi_call_function(env, undefined, listener, 3, arguments, NULL);
  if (status == napi_pending_exception && napi_get_and_clear_last_exception(env, &thrown) == napi_ok) {
    napi_fatal_exception(env, thrown);
  }
}

static void finalize_notify(napi_env env, void *data, void *hint) {
  (void)env;
  (void)hint;
  release(data);
}

/* May be called again. */
static void close_handle(void *data) {
  struct handle *handle = data;
  if (handle->datapath == NULL) return;
  datapath_close(handle->datapath);
  handle->datapath = NULL;
  napi_remove_env_cleanup_hook(handle->env, close_handle, handle);
  napi_release_threadsafe_function(handle->notify, napi_tsfn_abort);
}

static void finalize_handle(napi_env env, void *data, void *hint) {
  (void)env;
  (void)hint;
  close_handle(data);
  release(data);
}

static bool make_notify(struct handle *handle, napi_value listener) {
  napi_value name;
  napi_env env = handle->env;
  if (napi_create_string_utf8(env, "udp datapath", NAPI_AUTO_LENGTH, &name) != napi_ok) return false;
  if (napi_create_threadsafe_function(env, listener, NULL, name, MOST_EVENTS, 1, handle, finalize_notify, handle,
                                      call_listener, &handle->notify) != napi_ok) {
    return false;
  }
  handle->references++;
  return napi_unref_threadsafe_function(env, handle->notify) == napi_ok;
}

/* An open data path, or NULL with a pending exception. */
static struct handle *handle_of(napi_env env, napi_value value) {
  struct handle *handle = unwrap_handle(env, &DATAPATH_TAG, value);
  if (handle == NULL || handle->datapath != NULL) return handle;
  throw_errno(env, EBADF, "the data path is closed");
  return NULL;
}

/* udpOpen(address, port, buffer, features, listener(kind, feature, errno)): a handle. Does not keep the process alive. The
 * address is in octets. */
napi_value udp_open(napi_env env, napi_callback_info info) {
  napi_value arguments[5];
  uint32_t port, buffer, features;
  union endpoint local;
  if (!read_arguments(env, info, 5, arguments)) return NULL;
  if (napi_get_value_uint32(env, arguments[1], &port) != napi_ok ||
      napi_get_value_uint32(env, arguments[2], &buffer) != napi_ok ||
      napi_get_value_uint32(env, arguments[3], &features) != napi_ok ||
      !read_endpoint(env, arguments[0], (uint16_t)port, &local)) {
    return throw_type(env, "an address and numbers expected");
  }
  struct handle *handle = calloc(1, sizeof *handle);
  if (handle == NULL) return throw_errno(env, ENOMEM, "udp data path");
  handle->env = env;
  handle->references = 1;
  if (!make_notify(handle, arguments[4])) {
    release(handle);
    return throw_type(env, "listener expected");
  }
  const struct worker_options listeners = {.on_feature_lost = on_feature_lost, .on_end = on_end, .context = handle};
  int error = datapath_open(&local, (int)buffer, features, &listeners, &handle->datapath);
  if (error != 0) {
    napi_release_threadsafe_function(handle->notify, napi_tsfn_abort);
    release(handle);
    return throw_errno(env, -error, "udp data path");
  }
  napi_add_env_cleanup_hook(env, close_handle, handle);
  napi_value wrapped = wrap_handle(env, &DATAPATH_TAG, handle, finalize_handle);
  if (wrapped != NULL) return wrapped;
  finalize_handle(env, handle, NULL);
  return throw_type(env, "cannot make a handle");
}

/* udpAttach(handle, device, ipv4Address, ipv6Address, mtu, checkSource): the addresses in octets, or null. */
napi_value udp_attach(napi_env env, napi_callback_info info) {
  napi_value arguments[6];
  char name[INTERFACE_NAME];
  struct traffic_settings settings = {0};
  uint32_t mtu;
  if (!read_arguments(env, info, 6, arguments)) return NULL;
  struct handle *handle = handle_of(env, arguments[0]);
  if (handle == NULL) return NULL;
  if (!read_interface_name(env, arguments[1], name) ||
      !read_tunnel_address(env, arguments[2], &settings.ipv4_address, sizeof settings.ipv4_address, &settings.ipv4) ||
      !read_tunnel_address(env, arguments[3], &settings.ipv6_address, sizeof settings.ipv6_address, &settings.ipv6) ||
      napi_get_value_uint32(env, arguments[4], &mtu) != napi_ok ||
      napi_get_value_bool(env, arguments[5], &settings.check_source) != napi_ok) {
    return throw_type(env, "a device, its addresses, an MTU and a switch expected");
  }
  settings.mtu = (uint16_t)mtu;
  int error = datapath_attach(handle->datapath, name, &settings);
  return error == 0 ? NULL : throw_errno(env, -error, name);
}

/* udpDetach(handle): may be called again. */
napi_value udp_detach(napi_env env, napi_callback_info info) {
  napi_value argument;
  if (!read_arguments(env, info, 1, &argument)) return NULL;
  struct handle *handle = handle_of(env, argument);
  if (handle != NULL) datapath_detach(handle->datapath);
  return NULL;
}

/* udpSetRoutes(handle, routes) */
napi_value udp_set_routes(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  size_t count;
  if (!read_arguments(env, info, 2, arguments)) return NULL;
  struct handle *handle = handle_of(env, arguments[0]);
  if (handle == NULL) return NULL;
  struct route *routes = read_routes(env, arguments[1], &count);
  if (routes == NULL) return NULL;
  bool done = datapath_set_routes(handle->datapath, routes, count);
  free(routes);
  return done ? NULL : throw_errno(env, ENOMEM, "routes");
}

/* udpCounters(handle, target): fills a BigUint64Array, in the order of udpCounterNames. */
napi_value udp_counters(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  napi_typedarray_type type;
  size_t length;
  void *data;
  if (!read_arguments(env, info, 2, arguments)) return NULL;
  struct handle *handle = handle_of(env, arguments[0]);
  if (handle == NULL) return NULL;
  if (napi_get_typedarray_info(env, arguments[1], &type, &length, &data, NULL, NULL) != napi_ok ||
      type != napi_biguint64_array || length != COUNTERS) {
    return throw_type(env, "a BigUint64Array with a place for each counter expected");
  }
  datapath_counters(handle->datapath, data);
  return NULL;
}

/* udpCounterNames() */
napi_value udp_counter_names(napi_env env, napi_callback_info info) {
  napi_value names, name;
  (void)info;
  if (napi_create_array_with_length(env, COUNTERS, &names) != napi_ok) return NULL;
  for (uint32_t i = 0; i < COUNTERS; i++) {
    if (napi_create_string_utf8(env, counter_names[i], NAPI_AUTO_LENGTH, &name) != napi_ok ||
        napi_set_element(env, names, i, name) != napi_ok) {
      return throw_type(env, "cannot name the counters");
    }
  }
  return names;
}

/* udpFeatures(handle): those that are on, as bits. */
napi_value udp_features(napi_env env, napi_callback_info info) {
  napi_value argument, features;
  if (!read_arguments(env, info, 1, &argument)) return NULL;
  struct handle *handle = handle_of(env, argument);
  if (handle == NULL) return NULL;
  return napi_create_uint32(env, datapath_features(handle->datapath), &features) == napi_ok ? features : NULL;
}

/* udpDevice(handle): the name that the attached device has now, or null. */
napi_value udp_device(napi_env env, napi_callback_info info) {
  napi_value argument, result;
  char name[INTERFACE_NAME];
  if (!read_arguments(env, info, 1, &argument)) return NULL;
  struct handle *handle = handle_of(env, argument);
  if (handle == NULL) return NULL;
  napi_status status = datapath_device(handle->datapath, name)
                           ? napi_create_string_utf8(env, name, NAPI_AUTO_LENGTH, &result)
                           : napi_get_null(env, &result);
  return status == napi_ok ? result : NULL;
}

/* udpBuffer(handle): of the socket, in bytes. */
napi_value udp_buffer(napi_env env, napi_callback_info info) {
  napi_value argument, size;
  if (!read_arguments(env, info, 1, &argument)) return NULL;
  struct handle *handle = handle_of(env, argument);
  if (handle == NULL) return NULL;
  return napi_create_uint32(env, datapath_buffer(handle->datapath), &size) == napi_ok ? size : NULL;
}

/* udpClose(handle): may be called again, also from the listener. */
napi_value udp_close(napi_env env, napi_callback_info info) {
  napi_value argument;
  if (!read_arguments(env, info, 1, &argument)) return NULL;
  struct handle *handle = unwrap_handle(env, &DATAPATH_TAG, argument);
  if (handle != NULL) close_handle(handle);
  return NULL;
}

/* tunCreate(name) */
napi_value tun_create_device(napi_env env, napi_callback_info info) {
  napi_value argument;
  char name[INTERFACE_NAME];
  if (!read_arguments(env, info, 1, &argument)) return NULL;
  if (!read_interface_name(env, argument, name)) return throw_type(env, "a name of 1 to 15 bytes expected");
  int error = tun_create(name);
  return error == 0 ? NULL : throw_errno(env, -error, name);
}
