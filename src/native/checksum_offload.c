/* Whether a device leaves checksums to whoever sends its packets on: ethtool's tx-checksumming, read and set with the
 * oldest of its calls. Kernel: ethtool over netlink has it only since 5.7, and older kernels are among those that need it
 * switched off. It does not know what a good setting is. */

#include "binding.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

/* Opened at the first call and kept, as the netlink socket is: a process that has no descriptors left still looks after
 * its devices. */
static int control = -1;

/* 0, or an errno. `value->cmd` says what is asked. */
static int ethtool_call(const char *device, struct ethtool_value *value) {
  struct ifreq request = {.ifr_data = (void *)value};
  memcpy(request.ifr_name, device, strnlen(device, IFNAMSIZ - 1));
  if (control < 0) control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (control < 0) return errno;
  return ioctl(control, SIOCETHTOOL, &request) < 0 ? errno : 0;
}

/* checksumOffload(device): a boolean */
napi_value checksum_offload_get(napi_env env, napi_callback_info info) {
  napi_value argument, result;
  char device[IFNAMSIZ];
  size_t length;
  if (!read_arguments(env, info, 1, &argument)) return NULL;
  if (napi_get_value_string_utf8(env, argument, device, sizeof device, &length) != napi_ok) {
    return throw_type(env, "device expected");
  }
  struct ethtool_value value = {.cmd = ETHTOOL_GTXCSUM};
  int error = ethtool_call(device, &value);
  if (error != 0) return throw_errno(env, error, "reading the checksum offload");
  return napi_get_boolean(env, value.data != 0, &result) == napi_ok ? result : NULL;
}

/* setChecksumOffload(device, on) */
napi_value checksum_offload_set(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  char device[IFNAMSIZ];
  size_t length;
  bool on;
  if (!read_arguments(env, info, 2, arguments)) return NULL;
  if (napi_get_value_string_utf8(env, arguments[0], device, sizeof device, &length) != napi_ok ||
      napi_get_value_bool(env, arguments[1], &on) != napi_ok) {
    return throw_type(env, "device and state expected");
  }
  struct ethtool_value value = {.cmd = ETHTOOL_STXCSUM, .data = on ? 1 : 0};
  int error = ethtool_call(device, &value);
  return error == 0 ? NULL : throw_errno(env, error, "setting the checksum offload");
}
