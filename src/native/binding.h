/* What the parts of the addon share: errors, arguments, and the functions that each part offers to JavaScript.
 * The addon does only what Node cannot do itself; everything that can be decided in TypeScript is decided there. */

#ifndef FLANNEL_BINDING_H
#define FLANNEL_BINDING_H

#include <node_api.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Throws an Error whose code is the errno's name ("ENOENT") and whose message begins with `what`. Returns NULL. */
napi_value throw_errno(napi_env env, int error, const char *what);

/* Throws a TypeError unless an exception is pending already. Returns NULL. */
napi_value throw_type(napi_env env, const char *message);

/* Fetches exactly `count` arguments; false with a pending exception when the caller gave fewer. */
bool read_arguments(napi_env env, napi_callback_info info, size_t count, napi_value *arguments);

/* Wraps `data` in a new object that only `unwrap_handle` with the same tag opens. NULL on failure. */
napi_value wrap_handle(napi_env env, const napi_type_tag *tag, void *data, napi_finalize finalize);

/* NULL with a pending exception when the value is not such a handle. */
void *unwrap_handle(napi_env env, const napi_type_tag *tag, napi_value value);

napi_value netlink_open(napi_env env, napi_callback_info info);
napi_value netlink_request(napi_env env, napi_callback_info info);
napi_value netlink_close(napi_env env, napi_callback_info info);

napi_value monitor_open(napi_env env, napi_callback_info info);
napi_value monitor_close(napi_env env, napi_callback_info info);

napi_value udp_open(napi_env env, napi_callback_info info);
napi_value udp_attach(napi_env env, napi_callback_info info);
napi_value udp_detach(napi_env env, napi_callback_info info);
napi_value udp_set_routes(napi_env env, napi_callback_info info);
napi_value udp_counters(napi_env env, napi_callback_info info);
napi_value udp_counter_names(napi_env env, napi_callback_info info);
napi_value udp_features(napi_env env, napi_callback_info info);
napi_value udp_device(napi_env env, napi_callback_info info);
napi_value udp_buffer(napi_env env, napi_callback_info info);
napi_value udp_close(napi_env env, napi_callback_info info);
napi_value tun_create_device(napi_env env, napi_callback_info info);

napi_value checksum_offload_get(napi_env env, napi_callback_info info);
napi_value checksum_offload_set(napi_env env, napi_callback_info info);

napi_value packet_open(napi_env env, napi_callback_info info);
napi_value packet_send(napi_env env, napi_callback_info info);
napi_value packet_receive(napi_env env, napi_callback_info info);
napi_value packet_close(napi_env env, napi_callback_info info);

napi_value lock_take(napi_env env, napi_callback_info info);
napi_value lock_release(napi_env env, napi_callback_info info);
napi_value lock_holder(napi_env env, napi_callback_info info);

napi_value datagram_send(napi_env env, napi_callback_info info);

napi_value is_hung_up(napi_env env, napi_callback_info info);
napi_value send_now(napi_env env, napi_callback_info info);
napi_value is_writable(napi_env env, napi_callback_info info);
napi_value memory_file(napi_env env, napi_callback_info info);

napi_value release_free_memory(napi_env env, napi_callback_info info);

#endif
