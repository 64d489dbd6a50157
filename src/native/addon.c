/* The addon's entry: exports its functions, and the few helpers around Node-API that all of them use.
 * Typed for TypeScript in native.ts, the only file that loads it. */

#include "binding.h"

#include <stdio.h>
#include <string.h>

napi_value throw_errno(napi_env env, int error, const char *what) {
  char message[128];
  const char *name = strerrorname_np(error);
  snprintf(message, sizeof message, "%s: %s", what, strerror(error));
  napi_throw_error(env, name != NULL ? name : "UNKNOWN", message);
  return NULL;
}

napi_value throw_type(napi_env env, const char *message) {
  bool pending = false;
  if (napi_is_exception_pending(env, &pending) == napi_ok && !pending) napi_throw_type_error(env, NULL, message);
  return NULL;
}

bool read_arguments(napi_env env, napi_callback_info info, size_t count, napi_value *arguments) {
  size_t given = count;
  if (napi_get_cb_info(env, info, &given, arguments, NULL, NULL) == napi_ok && given >= count) return true;
  throw_type(env, "too few arguments");
  return false;
}

napi_value wrap_handle(napi_env env, const napi_type_tag *tag, void *data, napi_finalize finalize) {
  napi_value handle;
  if (napi_create_object(env, &handle) != napi_ok) return NULL;
  if (napi_type_tag_object(env, handle, tag) != napi_ok) return NULL;
  if (napi_wrap(env, handle, data, finalize, NULL, NULL) != napi_ok) return NULL;
  return handle;
}

void *unwrap_handle(napi_env env, const napi_type_tag *tag, napi_value value) {
  bool matches = false;
  void *data = NULL;
  if (napi_check_object_type_tag(env, value, tag, &matches) != napi_ok || !matches ||
      napi_unwrap(env, value, &data) != napi_ok) {
    throw_type(env, "not a handle of this kind");
    return NULL;
  }
  return data;
}

static napi_value export_functions(napi_env env, napi_value exports) {
  static const struct {
    const char *name;
    napi_callback function;
  } functions[] = {
      {"netlinkOpen", netlink_open},
      {"netlinkRequest", netlink_request},
      {"netlinkClose", netlink_close},
      {"monitorOpen", monitor_open},
      {"monitorClose", monitor_close},
      {"datagramSend", datagram_send},
      {"isHungUp", is_hung_up},
      {"sendNow", send_now},
      {"isWritable", is_writable},
      {"memoryFile", memory_file},
      {"releaseFreeMemory", release_free_memory},
      {"lockTake", lock_take},
      {"lockRelease", lock_release},
      {"lockHolder", lock_holder},
      {"checksumOffload", checksum_offload_get},
      {"setChecksumOffload", checksum_offload_set},
      {"packetOpen", packet_open},
      {"packetSend", packet_send},
      {"packetReceive", packet_receive},
      {"packetClose", packet_close},
      {"tunCreate", tun_create_device},
      {"udpOpen", udp_open},
      {"udpAttach", udp_attach},
      {"udpDetach", udp_detach},
      {"udpSetRoutes", udp_set_routes},
      {"udpCounters", udp_counters},
      {"udpCounterNames", udp_counter_names},
      {"udpFeatures", udp_features},
      {"udpDevice", udp_device},
      {"udpBuffer", udp_buffer},
      {"udpClose", udp_close},
  };
  for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
    napi_value function;
    if (napi_create_function(env, functions[i].name, NAPI_AUTO_LENGTH, functions[i].function, NULL, &function) !=
            napi_ok ||
        napi_set_named_property(env, exports, functions[i].name, function) != napi_ok) {
      return throw_type(env, "cannot export the addon's functions");
    }
  }
  return exports;
}

NAPI_MODULE_INIT() { return export_functions(env, exports); }
