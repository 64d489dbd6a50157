/* One thread for both directions: what is written to the TUN device often has its answer waiting there when the write
 * returns, because the kernel carries a packet through to the pod and back inside of it. Nobody has to be woken then. */

#include "worker.h"

#include "inbound.h"
#include "outbound.h"
#include "pace.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

struct worker {
  struct traffic traffic;
  struct outbound *outbound;
  struct inbound *inbound;
  struct pace pace;
  /* Written when the thread shall look up from waiting. */
  int wake;
  atomic_bool stopping;
  /* The table that the thread has, and the one that waits for it. */
  struct fib *fib;
  _Atomic(struct fib *) next_fib;
  end_listener on_end;
  void *context;
  pthread_t thread;
};

static void take_next_fib(struct worker *worker) {
  struct fib *next = atomic_exchange(&worker->next_fib, NULL);
  if (next == NULL) return;
  fib_release(worker->fib);
  worker->fib = next;
  worker->traffic.fib = next;
  worker->traffic.fib_version++;
}

/* Where something may wait to be read. */
struct ready {
  bool tun;
  bool udp;
};

/* Sleeps until there is something to do. Returns 0, or the errno of a descriptor that poll() says is broken. */
static int sleep_until_ready(struct worker *worker, struct ready *ready) {
  struct pollfd polled[3] = {{.fd = worker->traffic.tun, .events = POLLIN},
                             {.fd = worker->traffic.udp, .events = POLLIN},
                             {.fd = worker->wake, .events = POLLIN}};
  while (poll(polled, 3, -1) < 0) {
    if (errno != EINTR) return errno;
  }
  if ((polled[0].revents | polled[1].revents) & POLLNVAL) return EBADF;
  /* Kernel: POLLERR is all that a deleted TUN device has to say. */
  if ((polled[0].revents & (POLLERR | POLLHUP)) && !(polled[0].revents & POLLIN)) return EBADFD;
  /* Kernel: a socket that was shut down is readable for ever, and there is nothing to be read. */
  if (polled[1].revents & POLLHUP) return ESHUTDOWN;
  if ((polled[1].revents & POLLERR) && !(polled[1].revents & POLLIN)) {
    /* Reading the error clears it; one that stays would keep us awake for ever. */
    int error = 0;
    socklen_t length = sizeof error;
    if (getsockopt(worker->traffic.udp, SOL_SOCKET, SO_ERROR, &error, &length) != 0) return errno;
  }
  ready->tun = polled[0].revents != 0;
  ready->udp = polled[1].revents != 0;
  return 0;
}

/* Only worker_end interrupts it. */
static void pause_briefly(struct worker *worker) {
  const struct timespec duration = {.tv_nsec = PACE_PAUSE_NANOS};
  struct pollfd polled = {.fd = worker->wake, .events = POLLIN};
  (void)ppoll(&polled, 1, &duration, NULL);
}

static int wait_for_work(struct worker *worker, struct ready *ready) {
  *ready = (struct ready){true, true};
  switch (pace_next(&worker->pace, monotonic_now())) {
    case PACE_SLEEP: return sleep_until_ready(worker, ready);
    case PACE_YIELD: sched_yield(); return 0;
    case PACE_PAUSE: pause_briefly(worker); return 0;
  }
  return 0;
}

/* A turn for each direction that may have something. Returns 0 or an errno. */
static int take_turns(struct worker *worker, struct ready *ready) {
  struct turn out = {0}, in = {0};
  if (ready->tun) {
    out = outbound_run(worker->outbound);
    if (out.error != 0) return out.error;
  }
  if (ready->udp) {
    in = inbound_run(worker->inbound);
    if (in.error != 0) return in.error;
  }
  pace_note(&worker->pace, monotonic_now(), out.packets + in.packets, out.small + in.small);
  /* Only poll() says that nothing has come meanwhile: as long as one direction keeps us from asking it, both are served. */
  bool more = out.more || in.more;
  ready->udp = more;
  /* What was written to the device may have its answer there already. */
  ready->tun = more || in.packets > 0;
  return 0;
}

static int carry(struct worker *worker) {
  struct ready ready = {true, true};
  int error = 0;
  while (error == 0 && !atomic_load_explicit(&worker->stopping, memory_order_acquire)) {
    take_next_fib(worker);
    error = take_turns(worker, &ready);
    if (error == 0 && !ready.tun && !ready.udp) error = wait_for_work(worker, &ready);
  }
  return error;
}

static void *run(void *data) {
  struct worker *worker = data;
  /* Kernel: timers may be late by 50 µs otherwise, which is half a pause. */
  (void)prctl(PR_SET_TIMERSLACK, 1);
  int error = carry(worker);
  if (error != 0 && worker->on_end != NULL) worker->on_end(worker->context, error);
  return NULL;
}

static void release(struct worker *worker) {
  outbound_free(worker->outbound);
  inbound_free(worker->inbound);
  fib_release(worker->fib);
  fib_release(atomic_load(&worker->next_fib));
  if (worker->wake >= 0) close(worker->wake);
  free(worker);
}

/* Signals are for the main thread. Returns 0 or an errno. */
static int start_thread(struct worker *worker) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int failed = pthread_create(&worker->thread, NULL, run, worker);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (failed == 0) pthread_setname_np(worker->thread, "udp-datapath");
  return failed;
}

struct worker *worker_start(const struct worker_options *options) {
  struct worker *worker = calloc(1, sizeof *worker);
  if (worker == NULL) {
    fib_release(options->fib);
    return NULL;
  }
  worker->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  worker->traffic.tun = options->tun;
  worker->traffic.udp = options->udp;
  worker->traffic.settings = options->settings;
  worker->traffic.on_feature_lost = options->on_feature_lost;
  worker->traffic.context = options->context;
  atomic_init(&worker->traffic.features, options->features);
  worker->on_end = options->on_end;
  worker->context = options->context;
  worker->fib = options->fib;
  worker->traffic.fib = worker->fib;
  worker->traffic.fib_version = 1;
  worker->outbound = outbound_create(&worker->traffic);
  worker->inbound = inbound_create(&worker->traffic);
  int failed = worker->wake < 0 ? errno : ENOMEM;
  if (worker->wake >= 0 && worker->outbound != NULL && worker->inbound != NULL) {
    failed = start_thread(worker);
  }
  if (failed == 0) return worker;
  release(worker);
  errno = failed;
  return NULL;
}

void worker_set_fib(struct worker *worker, struct fib *fib) {
  fib_release(atomic_exchange(&worker->next_fib, fib));
}

void worker_add_counters(const struct worker *worker, uint64_t totals[COUNTERS]) {
  for (size_t i = 0; i < COUNTERS; i++) {
    totals[i] += atomic_load_explicit(&worker->traffic.counters[i], memory_order_relaxed);
  }
}

unsigned worker_features(const struct worker *worker) { return atomic_load(&worker->traffic.features); }

void worker_end(struct worker *worker) {
  const uint64_t one = 1;
  atomic_store_explicit(&worker->stopping, true, memory_order_release);
  while (write(worker->wake, &one, sizeof one) < 0 && errno == EINTR) continue;
  pthread_join(worker->thread, NULL);
}

void worker_free(struct worker *worker) { release(worker); }
