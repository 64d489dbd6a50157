/* A netlink socket that listens to multicast groups. A thread of its own waits for datagrams, because Node offers no
 * way to wait for a foreign descriptor without libuv; the main thread reads them and hands them to JavaScript.
 * The thread touches no JavaScript object, and after each wake-up it rests until the main thread has read everything,
 * so that a busy event loop is woken once and not once per datagram. */

#include "binding.h"
#include "netlink_socket.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* What one call into JavaScript is given at most, in bytes; the rest follows with the next wake-up. */
#define CALL_LIMIT (256 * 1024)
#define MAX_GROUPS 32

struct monitor {
  int fd;
  /* Written by the main thread: everything was read, or the thread shall end. */
  int wake;
  atomic_bool stopping;
  bool closed;
  pthread_t thread;
  napi_env env;
  napi_threadsafe_function notify;
  struct bytes bytes;
  /* Held by the JavaScript handle and by the thread-safe function; both are let go of on the main thread. */
  int references;
};

static const napi_type_tag MONITOR_TAG = {0x1b7c9e3f52a84d60, 0xa4d08c6e7f2b1953};

static void release(struct monitor *monitor) {
  if (--monitor->references > 0) return;
  bytes_free(&monitor->bytes);
  free(monitor);
}

static void wake_thread(struct monitor *monitor) {
  const uint64_t one = 1;
  while (write(monitor->wake, &one, sizeof one) < 0 && errno == EINTR) continue;
}

/* Returns the descriptor's readiness once the main thread has woken us, or, if asked, once a datagram waits. */
static bool wait_for(struct monitor *monitor, bool datagram) {
  struct pollfd polled[2] = {{.fd = monitor->wake, .events = POLLIN},
                             {.fd = datagram ? monitor->fd : -1, .events = POLLIN}};
  while (poll(polled, 2, -1) < 0 && errno == EINTR) continue;
  if (polled[0].revents != 0) {
    uint64_t count;
    while (read(monitor->wake, &count, sizeof count) < 0 && errno == EINTR) continue;
  }
  return polled[1].revents != 0;
}

static void *watch(void *data) {
  struct monitor *monitor = data;
  while (!atomic_load(&monitor->stopping)) {
    if (!wait_for(monitor, true)) continue;
    napi_status status = napi_call_threadsafe_function(monitor->notify, NULL, napi_tsfn_nonblocking);
    if (status != napi_ok && status != napi_queue_full) break;
    if (!atomic_load(&monitor->stopping)) wait_for(monitor, false);
  }
  return NULL;
}

static void call_listener(struct monitor *monitor, napi_env env, napi_value listener, bool overrun) {
  napi_value arguments[2], undefined, error;
  if (napi_create_buffer_copy(env, monitor->bytes.length, monitor->bytes.data, NULL, &arguments[0]) != napi_ok ||
      napi_get_boolean(env, overrun, &arguments[1]) != napi_ok || napi_get_undefined(env, &undefined) != napi_ok) {
    return;
  }
  napi_status status = napi_call_function(env, undefined, listener, 2, arguments, NULL);
  /* A listener that throws is an uncaught exception like in any other callback, never an abort. */
  if (status == napi_pending_exception && napi_get_and_clear_last_exception(env, &error) == napi_ok) {
    napi_fatal_exception(env, error);
  }
}

/* On the main thread, for each wake-up. */
static void read_datagrams(napi_env env, napi_value listener, void *context, void *data) {
  (void)data;
  struct monitor *monitor = context;
  if (env == NULL || monitor->closed) return;
  monitor->bytes.length = 0;
  bool overrun = false;
  int result = netlink_socket_drain(monitor->fd, &monitor->bytes, CALL_LIMIT);
  if (result != 0) {
    overrun = true;
    /* What is left was sent after the loss and is as good as any. */
    (void)netlink_socket_drain(monitor->fd, &monitor->bytes, CALL_LIMIT);
  }
  if (monitor->bytes.length > 0 || overrun) call_listener(monitor, env, listener, overrun);
  if (!monitor->closed) wake_thread(monitor);
}

static void close_descriptors(struct monitor *monitor) {
  if (monitor->fd >= 0) close(monitor->fd);
  if (monitor->wake >= 0) close(monitor->wake);
}

static void close_monitor(void *data) {
  struct monitor *monitor = data;
  if (monitor->closed) return;
  monitor->closed = true;
  atomic_store(&monitor->stopping, true);
  wake_thread(monitor);
  pthread_join(monitor->thread, NULL);
  close_descriptors(monitor);
  napi_remove_env_cleanup_hook(monitor->env, close_monitor, monitor);
  napi_release_threadsafe_function(monitor->notify, napi_tsfn_abort);
}

static void finalize_notify(napi_env env, void *data, void *hint) {
  (void)env;
  (void)hint;
  release(data);
}

static void finalize_handle(napi_env env, void *data, void *hint) {
  (void)env;
  (void)hint;
  close_monitor(data);
  release(data);
}

/* Signals are for the main thread. Returns 0 or an errno. */
static int start_thread(struct monitor *monitor) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int failed = pthread_create(&monitor->thread, NULL, watch, monitor);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (failed == 0) pthread_setname_np(monitor->thread, "netlink-monitor");
  return failed;
}

/* Takes over `monitor`: whatever happens, its memory and descriptors are looked after. */
static napi_value start(napi_env env, struct monitor *monitor, napi_value listener) {
  napi_value name;
  if (napi_create_string_utf8(env, "netlink monitor", NAPI_AUTO_LENGTH, &name) != napi_ok ||
      napi_create_threadsafe_function(env, listener, NULL, name, 1, 1, monitor, finalize_notify, monitor,
                                      read_datagrams, &monitor->notify) != napi_ok) {
    close_descriptors(monitor);
    release(monitor);
    return throw_type(env, "listener expected");
  }
  napi_unref_threadsafe_function(env, monitor->notify);
  int failed = start_thread(monitor);
  if (failed != 0) {
    monitor->closed = true;
    close_descriptors(monitor);
    napi_release_threadsafe_function(monitor->notify, napi_tsfn_abort);
    return throw_errno(env, failed, "netlink monitor thread");
  }
  /* Hooks run last in, first out: the thread has ended before Node takes the thread-safe function away. */
  napi_add_env_cleanup_hook(env, close_monitor, monitor);
  monitor->references = 2;
  napi_value handle = wrap_handle(env, &MONITOR_TAG, monitor, finalize_handle);
  if (handle != NULL) return handle;
  finalize_handle(env, monitor, NULL);
  return throw_type(env, "cannot make a handle");
}

static bool read_groups(napi_env env, napi_value array, uint32_t *groups, uint32_t *count) {
  if (napi_get_array_length(env, array, count) != napi_ok || *count > MAX_GROUPS) return false;
  for (uint32_t i = 0; i < *count; i++) {
    napi_value group;
    if (napi_get_element(env, array, i, &group) != napi_ok) return false;
    if (napi_get_value_uint32(env, group, &groups[i]) != napi_ok) return false;
  }
  return true;
}

/* monitorOpen(protocol, groups, receiveBuffer, listener(messages, overrun)): a handle. Does not keep the process alive. */
napi_value monitor_open(napi_env env, napi_callback_info info) {
  napi_value arguments[4];
  int32_t protocol;
  uint32_t groups[MAX_GROUPS], count, receive_buffer;
  if (!read_arguments(env, info, 4, arguments)) return NULL;
  if (napi_get_value_int32(env, arguments[0], &protocol) != napi_ok) return throw_type(env, "protocol expected");
  if (!read_groups(env, arguments[1], groups, &count)) return throw_type(env, "groups expected");
  if (napi_get_value_uint32(env, arguments[2], &receive_buffer) != napi_ok) return throw_type(env, "size expected");
  int fd = netlink_socket_open(protocol, receive_buffer, groups, count);
  if (fd < 0) return throw_errno(env, -fd, "netlink monitor");
  struct monitor *monitor = calloc(1, sizeof *monitor);
  if (monitor == NULL) {
    close(fd);
    return throw_errno(env, ENOMEM, "netlink monitor");
  }
  monitor->fd = fd;
  monitor->env = env;
  monitor->references = 1;
  monitor->wake = eventfd(0, EFD_CLOEXEC);
  if (monitor->wake < 0) {
    int error = errno;
    close_descriptors(monitor);
    release(monitor);
    return throw_errno(env, error, "netlink monitor");
  }
  return start(env, monitor, arguments[3]);
}

/* monitorClose(handle): may be called again, also from the listener. */
napi_value monitor_close(napi_env env, napi_callback_info info) {
  napi_value argument;
  if (!read_arguments(env, info, 1, &argument)) return NULL;
  struct monitor *monitor = unwrap_handle(env, &MONITOR_TAG, argument);
  if (monitor != NULL) close_monitor(monitor);
  return NULL;
}
