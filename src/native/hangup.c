/* Whether anybody still reads what is written to a descriptor. Node tells that only of the next write. */

#include "binding.h"

#include <errno.h>
#include <poll.h>

/* isHungUp(descriptor): a boolean. Kernel: poll(2) says POLLERR of a pipe that has no reader left, POLLHUP of a socket or
 * a terminal whose other end is gone, and neither of a file. */
napi_value is_hung_up(napi_env env, napi_callback_info info) {
  napi_value argument, result;
  struct pollfd asked = {.events = 0};
  if (!read_arguments(env, info, 1, &argument)) return NULL;
  if (napi_get_value_int32(env, argument, &asked.fd) != napi_ok) return throw_type(env, "descriptor expected");
  if (poll(&asked, 1, 0) < 0) return throw_errno(env, errno, "looking at the output");
  bool hung = (asked.revents & (POLLERR | POLLHUP)) != 0;
  return napi_get_boolean(env, hung, &result) == napi_ok ? result : NULL;
}
