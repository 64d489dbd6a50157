/* The socket stays open while devices come and go: datagrams that arrive meanwhile wait in its buffer. */

#include "datapath.h"

#include "checksum.h"
#include "tun_device.h"
#include "underlay_socket.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define STALE_NANOS 1000000000u
/* More small datagrams than the largest buffer that is usual can hold. */
#define MOST_STALE 100000

struct datapath {
  int udp;
  int tun;
  /* What the socket and the processor offer of what is wanted. */
  unsigned offered;
  unsigned features;
  struct fib *fib;
  struct worker *worker;
  struct worker_options listeners;
  /* When a worker ended last, or the socket was opened. */
  uint64_t idle_since;
  /* Of workers that have ended. */
  uint64_t totals[COUNTERS];
};

int datapath_open(const union endpoint *address, int buffer, unsigned features, const struct worker_options *listeners,
                  struct datapath **result) {
  struct datapath *datapath = calloc(1, sizeof *datapath);
  if (datapath == NULL) return -ENOMEM;
  bool vector = (features & FEATURE_VECTOR_CHECKSUM) != 0;
  if (strcmp(checksum_choose(vector), "scalar") == 0) features &= ~(unsigned)FEATURE_VECTOR_CHECKSUM;
  int error = tun_check();
  datapath->tun = -1;
  datapath->listeners = *listeners;
  datapath->fib = fib_create(NULL, 0);
  if (error == 0 && datapath->fib == NULL) error = -ENOMEM;
  if (error == 0) {
    datapath->udp = underlay_socket_open(address, buffer, &features);
    error = datapath->udp < 0 ? datapath->udp : 0;
  }
  datapath->offered = features;
  datapath->features = features;
  datapath->idle_since = monotonic_now();
  if (error == 0) {
    *result = datapath;
    return 0;
  }
  fib_release(datapath->fib);
  free(datapath);
  return error;
}

/* Datagrams that came while nothing was attached are delivered if that was short, as at a restart. What has waited for
 * longer nobody waits for any more. */
static void drop_stale(const struct datapath *datapath) {
  char byte;
  if (monotonic_now() - datapath->idle_since < STALE_NANOS) return;
  for (size_t i = 0; i < MOST_STALE; i++) {
    if (recv(datapath->udp, &byte, sizeof byte, MSG_DONTWAIT | MSG_TRUNC) < 0) return;
  }
}

int datapath_attach(struct datapath *datapath, const char *name, const struct traffic_settings *settings) {
  if (datapath->worker != NULL) return -EALREADY;
  unsigned features = datapath->offered;
  int tun = tun_attach(name, &features);
  if (tun < 0) return tun;
  struct worker_options options = datapath->listeners;
  options.tun = tun;
  options.udp = datapath->udp;
  options.features = features;
  options.settings = *settings;
  options.fib = fib_hold(datapath->fib);
  drop_stale(datapath);
  datapath->worker = worker_start(&options);
  if (datapath->worker == NULL) {
    int error = errno;
    close(tun);
    return -error;
  }
  datapath->tun = tun;
  datapath->features = features;
  return 0;
}

void datapath_detach(struct datapath *datapath) {
  if (datapath->worker == NULL) return;
  worker_end(datapath->worker);
  datapath->features = worker_features(datapath->worker);
  /* What the kernel has rejected once is not tried again. */
  datapath->offered &= datapath->features | (FEATURE_TSO | FEATURE_USO | FEATURE_VNET_HEADER);
  worker_add_counters(datapath->worker, datapath->totals);
  worker_free(datapath->worker);
  datapath->worker = NULL;
  close(datapath->tun);
  datapath->tun = -1;
  datapath->idle_since = monotonic_now();
}

bool datapath_set_routes(struct datapath *datapath, const struct route *routes, size_t count) {
  struct fib *fib = fib_create(routes, count);
  if (fib == NULL) return false;
  fib_release(datapath->fib);
  datapath->fib = fib;
  if (datapath->worker != NULL) worker_set_fib(datapath->worker, fib_hold(fib));
  return true;
}

void datapath_counters(const struct datapath *datapath, uint64_t totals[COUNTERS]) {
  memcpy(totals, datapath->totals, sizeof datapath->totals);
  if (datapath->worker != NULL) worker_add_counters(datapath->worker, totals);
}

unsigned datapath_features(const struct datapath *datapath) {
  return datapath->worker != NULL ? worker_features(datapath->worker) : datapath->features;
}

bool datapath_device(const struct datapath *datapath, char *name) {
  return datapath->worker != NULL && tun_name(datapath->tun, name) == 0;
}

unsigned datapath_buffer(const struct datapath *datapath) { return underlay_socket_buffer(datapath->udp); }

void datapath_close(struct datapath *datapath) {
  datapath_detach(datapath);
  close(datapath->udp);
  fib_release(datapath->fib);
  free(datapath);
}
