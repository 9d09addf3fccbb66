/*
 * A library to preload: it writes down what a process does to the files under one directory, in order,
 * and injects faults there. Compiled on the spot by shim/compile.ts; read by power/trace.ts.
 *
 * BALSA_SHIM_DIR      the directory, absolute and without symbolic links
 * BALSA_SHIM_TRACE    where the record goes; nothing is recorded without it
 * BALSA_SHIM_CONTROL  a file of `struct control`, mapped: the process and its parent write to it at any time
 * BALSA_SHIM_MARKS    "off": what is written to file descriptor 1 is no announcement (a server's log)
 * BALSA_SHIM_SYNC     "real": syncs are done; otherwise they are only counted and recorded, which is all that
 *                     a rebuilt power cut or a killed process needs, and far quicker
 *
 * BALSA_SHIM_SYNC_MICROS  how long a sync takes; a server that acknowledges before it is seen by that. Default 0
 *
 * Each call and its record happen under one mutex, which forked children share, so that the record is one legal order
 * of the calls. Several processes may write one record: a record is appended by one call, and handles carry the process
 * id. What is written to file descriptor 1 is recorded, too: what the process announces stands in the record at its
 * place. Streams of stdio are done anew on descriptors. Not seen: stores through a shared mapping, direct system
 * calls, io_uring, static binaries. docs/conformance-shim.md says all of it.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

/* Under glibc the 64-bit names are functions of their own; with these off, both can be defined. */
#undef open64
#undef creat64

enum { OP_OPEN = 1, OP_WRITE, OP_TRUNCATE, OP_SYNC, OP_RENAME, OP_UNLINK, OP_LINK, OP_MKDIR, OP_RMDIR,
       OP_MARK, OP_UNSEEN, OP_SYNC_ALL, OP_ALLOCATE, OP_SYNC_FAILED };
enum { F_CREATED = 1, F_TRUNCATED = 2, F_DIRECTORY = 4, F_SYNCHRONOUS = 8 };
enum { UNSEEN_MAPPING = 1, UNSEEN_STDIO, UNSEEN_SPECIAL };

struct control {
  int64_t space_left;    /* bytes that files may still grow by before ENOSPC; -1: no bound */
  int64_t fail_read;     /* the n-th read from now gives EIO; 0: none */
  int64_t fail_write;
  int64_t fail_sync;
  int64_t short_write;   /* the n-th write from now writes half */
  int64_t kill_at;       /* SIGKILL at the mutating call of this number; 0: never */
  int64_t kill_torn;     /* whether half of it happens if it is a write */
  int64_t sticky;        /* whether a fault, once it came, stays */
  int64_t mutations;     /* counted so far */
  int64_t reads;
  int64_t writes;
  int64_t syncs;
  int64_t injected;      /* faults that came */
  char match[152];       /* faults only on paths that contain this */
};

struct record {
  uint8_t op, flags;
  uint16_t path_length;
  int32_t handle;
  int64_t a, b;
  int32_t error;
  uint32_t length;
};

#define MAX_FD 65536
struct tracked { int handle; uint8_t flags; char *path; dev_t device; ino_t inode; };
static struct tracked table[MAX_FD];
static struct control none = { .space_left = -1 };
static struct control *control = &none;
/* Shared with forked children: one order of the calls, and no handle given twice. */
static struct shared { pthread_mutex_t mutex; int handles; } unshared = { .mutex = PTHREAD_MUTEX_INITIALIZER };
static struct shared *shared = &unshared;
static char root[PATH_MAX];
static size_t root_length;
static int trace = -1;
static int real_syncs;
static int marks = 1;
static useconds_t sync_micros;

static void lock(void) {
  /* A child that was killed inside leaves the others a lock that can be used. */
  if (pthread_mutex_lock(&shared->mutex) == EOWNERDEAD) pthread_mutex_consistent(&shared->mutex);
}

static void unlock(void) {
  pthread_mutex_unlock(&shared->mutex);
}

#define REAL(name) \
  static __typeof__(&name) real; \
  if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name);

static int raw_write(int fd, const void *bytes, size_t length) {
  const char *at = bytes;
  while (length > 0) {
    long done = syscall(SYS_write, fd, at, length);
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) return -1;
    at += done;
    length -= (size_t)done;
  }
  return 0;
}

static void share(void) {
  void *page = mmap(NULL, sizeof(struct shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (page != MAP_FAILED) {
    pthread_mutexattr_t kind;
    pthread_mutexattr_init(&kind);
    pthread_mutexattr_setpshared(&kind, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&kind, PTHREAD_MUTEX_ROBUST);
    shared = page;
    pthread_mutex_init(&shared->mutex, &kind);
  }
  /* Another program may write to the same record: its handles are others. */
  shared->handles = ((int)getpid() & 0x7fff) << 16;
}

__attribute__((constructor)) static void begin(void) {
  const char *directory = getenv("BALSA_SHIM_DIR");
  if (!directory || strlen(directory) >= sizeof root) return;
  share();
  strcpy(root, directory);
  root_length = strlen(root);
  const char *micros = getenv("BALSA_SHIM_SYNC_MICROS");
  sync_micros = micros ? (useconds_t)atoi(micros) : 0;
  const char *mark_mode = getenv("BALSA_SHIM_MARKS");
  marks = !mark_mode || strcmp(mark_mode, "off") != 0;
  const char *path = getenv("BALSA_SHIM_TRACE");
  if (path) trace = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  const char *sync_mode = getenv("BALSA_SHIM_SYNC");
  real_syncs = sync_mode && strcmp(sync_mode, "real") == 0;
  path = getenv("BALSA_SHIM_CONTROL");
  if (!path) return;
  int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0);
  if (fd < 0) return;
  void *mapped = mmap(NULL, sizeof(struct control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  syscall(SYS_close, fd);
  if (mapped != MAP_FAILED) control = mapped;
}

static void emit(int op, int flags, int handle, int64_t a, int64_t b, int error, const char *path,
                 const char *second, const void *data, size_t length) {
  if (trace < 0) return;
  size_t first = path ? strlen(path) : 0;
  size_t other = second ? strlen(second) + 1 : 0;
  struct record head = { (uint8_t)op, (uint8_t)flags, (uint16_t)(first + other), handle, a, b, error, (uint32_t)length };
  struct iovec parts[4] = { { &head, sizeof head }, { (void *)path, first },
                            { (void *)(second ? second - 0 : NULL), other }, { (void *)data, length } };
  char joined[2 * PATH_MAX];
  if (second) {
    memcpy(joined, path, first);
    joined[first] = 0;
    memcpy(joined + first + 1, second, other - 1);
    parts[1].iov_base = joined;
    parts[1].iov_len = first + other;
    parts[2].iov_len = 0;
  }
  size_t total = sizeof head + first + other + length;
  long done = syscall(SYS_writev, trace, parts, 4);
  if (done == (long)total) return;
  /* Never half a record: a trace that cannot be trusted must not look whole. */
  static const char text[] = "balsa shim: cannot write the trace\n";
  raw_write(2, text, sizeof text - 1);
  abort();
}

/* Absolute, without "." and "..". Symbolic links inside the directory are not followed. */
static int absolute(int at, const char *path, char *out) {
  char joined[2 * PATH_MAX];
  if (!path) return 0;
  if (path[0] == '/') {
    if (strlen(path) >= PATH_MAX) return 0;
    strcpy(joined, path);
  } else {
    char base[PATH_MAX];
    if (at != AT_FDCWD && at >= 0 && at < MAX_FD && table[at].path) strcpy(base, table[at].path);
    else if (at != AT_FDCWD) {
      char link[64];
      snprintf(link, sizeof link, "/proc/self/fd/%d", at);
      ssize_t length = readlink(link, base, sizeof base - 1);
      if (length < 0) return 0;
      base[length] = 0;
    } else if (!getcwd(base, sizeof base)) return 0;
    snprintf(joined, sizeof joined, "%s/%s", base, path);
  }
  size_t end = 0;
  for (char *part = joined; *part;) {
    while (*part == '/') part++;
    size_t length = strcspn(part, "/");
    if (length == 2 && part[0] == '.' && part[1] == '.') {
      while (end > 0 && out[end - 1] != '/') end--;
      if (end > 0) end--;
    } else if (length > 0 && !(length == 1 && part[0] == '.')) {
      if (end + length + 2 >= PATH_MAX) return 0;
      out[end++] = '/';
      memcpy(out + end, part, length);
      end += length;
    }
    part += length;
  }
  out[end] = 0;
  return 1;
}

static int inside(const char *path) {
  return root_length > 0 && strncmp(path, root, root_length) == 0 && (path[root_length] == 0 || path[root_length] == '/');
}

static int tracked_path(int at, const char *path, char *out) {
  return root_length > 0 && absolute(at, path, out) && inside(out);
}

/* A descriptor that was closed by a direct system call, as libuv does it, may be somebody else's by now. */
static struct tracked *tracked_fd(int fd) {
  if (fd < 0 || fd >= MAX_FD || !table[fd].handle) return NULL;
  int error = errno;
  struct stat now;
  int same = fstat(fd, &now) == 0 && now.st_dev == table[fd].device && now.st_ino == table[fd].inode;
  errno = error;
  return same ? &table[fd] : NULL;
}

static int matches(const char *path) {
  return control->match[0] == 0 || (path && strstr(path, control->match));
}

static int comes(int64_t *count) {
  if (*count <= 0) return 0;
  if (*count > 1) { (*count)--; return 0; }
  if (!control->sticky) *count = 0;
  control->injected++;
  return 1;
}

static void die(void) {
  syscall(SYS_kill, (int)syscall(SYS_getpid), SIGKILL);
  for (;;) pause();
}

/* Counts a mutating call; true when the process is to die in it. */
static int last_step(const char *path) {
  (void)path;
  return ++control->mutations == control->kill_at;
}

static void step(const char *path) {
  if (last_step(path)) die();
}

/* ---- opening and closing */

/* Under the lock. */
static void track(int fd, uint8_t kind, int flags, const char *full) {
  if (fd < 0 || fd >= MAX_FD) return;
  struct stat now;
  if (fstat(fd, &now) != 0) return;
  free(table[fd].path);
  table[fd] = (struct tracked){ ++shared->handles, kind, strdup(full), now.st_dev, now.st_ino };
  emit(OP_OPEN, kind, table[fd].handle, flags, 0, 0, full, NULL, NULL, 0);
}

static void forget(int fd);

static int do_open(int at, const char *path, int flags, mode_t mode) {
  char full[PATH_MAX];
  if (!tracked_path(at, path, full)) {
    int other = (int)syscall(SYS_openat, at, path, flags | O_LARGEFILE, mode);
    /* libuv closes by system calls of its own: the number may still be known from a file inside. */
    forget(other);
    return other;
  }
  lock();
  struct stat before;
  int existed = fstatat(at, path, &before, 0) == 0;
  int creates = (flags & O_CREAT) && !existed;
  int truncates = (flags & O_TRUNC) && existed && before.st_size > 0;
  if (creates || truncates) step(full);
  if (creates && control->space_left == 0 && matches(full)) {
    control->injected++;
    unlock();
    errno = ENOSPC;
    return -1;
  }
  int fd = (int)syscall(SYS_openat, at, path, flags | O_LARGEFILE, mode);
  int error = errno;
  if (fd >= 0 && fd < MAX_FD) {
    struct stat now;
    int directory = fstat(fd, &now) == 0 && S_ISDIR(now.st_mode);
    uint8_t kind = (uint8_t)((creates ? F_CREATED : 0) | (truncates ? F_TRUNCATED : 0) | (directory ? F_DIRECTORY : 0) |
                             ((flags & (O_DSYNC | O_SYNC)) ? F_SYNCHRONOUS : 0));
    track(fd, kind, flags, full);
#ifdef O_TMPFILE
    if ((flags & O_TMPFILE) == O_TMPFILE) emit(OP_UNSEEN, 0, 0, UNSEEN_SPECIAL, 0, 0, full, NULL, NULL, 0);
#endif
  }
  unlock();
  errno = error;
  return fd;
}

#define MODE_OF(flags, last) \
  mode_t mode = 0; \
  if ((flags) & (O_CREAT | O_TMPFILE)) { va_list list; va_start(list, last); mode = va_arg(list, mode_t); va_end(list); }

int open(const char *path, int flags, ...) { MODE_OF(flags, flags) return do_open(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE_OF(flags, flags) return do_open(AT_FDCWD, path, flags, mode); }
int openat(int at, const char *path, int flags, ...) { MODE_OF(flags, flags) return do_open(at, path, flags, mode); }
int openat64(int at, const char *path, int flags, ...) { MODE_OF(flags, flags) return do_open(at, path, flags, mode); }
int __open_2(const char *path, int flags) { return do_open(AT_FDCWD, path, flags, 0); }
int __open64_2(const char *path, int flags) { return do_open(AT_FDCWD, path, flags, 0); }
int creat(const char *path, mode_t mode) { return do_open(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode); }
int creat64(const char *path, mode_t mode) { return do_open(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode); }

/* Temporary files: made by the C library, which opens them without anybody seeing it. */
static int made(int fd, const char *path, int flags) {
  int error = errno;
  char full[PATH_MAX];
  if (fd >= 0 && tracked_path(AT_FDCWD, path, full)) {
    lock();
    step(full);
    track(fd, F_CREATED, flags, full);
    unlock();
  }
  errno = error;
  return fd;
}
int mkstemp(char *path) { REAL(mkstemp) return made(real(path), path, 0); }
int mkstemp64(char *path) { REAL(mkstemp64) return made(real(path), path, 0); }
int mkostemp(char *path, int flags) { REAL(mkostemp) return made(real(path, flags), path, flags); }
int mkostemp64(char *path, int flags) { REAL(mkostemp64) return made(real(path, flags), path, flags); }

static void forget(int fd) {
  if (fd < 0 || fd >= MAX_FD || !table[fd].handle) return;
  lock();
  free(table[fd].path);
  table[fd] = (struct tracked){ 0, 0, NULL, 0, 0 };
  unlock();
}

int close(int fd) {
  REAL(close)
  forget(fd);
  return real(fd);
}

static void copied(int from, int to) {
  if (to < 0 || to >= MAX_FD || from == to) return;
  forget(to);
  struct tracked *one = tracked_fd(from);
  if (!one) return;
  lock();
  table[to] = (struct tracked){ one->handle, one->flags, strdup(one->path), one->device, one->inode };
  unlock();
}

int dup(int fd) { REAL(dup) int made = real(fd); if (made >= 0) copied(fd, made); return made; }
int dup2(int fd, int to) { REAL(dup2) int made = real(fd, to); if (made >= 0) copied(fd, made); return made; }
int dup3(int fd, int to, int flags) { REAL(dup3) int made = real(fd, to, flags); if (made >= 0) copied(fd, made); return made; }

static int do_fcntl(int (*real)(int, int, ...), int fd, int command, void *argument) {
  int result = real(fd, command, argument);
  if (result >= 0 && (command == F_DUPFD || command == F_DUPFD_CLOEXEC)) copied(fd, result);
  return result;
}
#define ARGUMENT(last) va_list list; va_start(list, last); void *argument = va_arg(list, void *); va_end(list);
int fcntl(int fd, int command, ...) { REAL(fcntl) ARGUMENT(command) return do_fcntl(real, fd, command, argument); }
int fcntl64(int fd, int command, ...) {
  static int (*real)(int, int, ...);
  if (!real) real = (int (*)(int, int, ...))dlsym(RTLD_NEXT, "fcntl64");
  if (!real) real = (int (*)(int, int, ...))dlsym(RTLD_NEXT, "fcntl");
  ARGUMENT(command)
  return do_fcntl(real, fd, command, argument);
}

/* ---- writing */

static int64_t size_of(int fd) {
  struct stat now;
  return fstat(fd, &now) == 0 ? (int64_t)now.st_size : 0;
}

/* One write, at `offset` or, when that is -1, where the descriptor stands. */
static ssize_t do_write(int fd, const void *bytes, size_t length, int64_t offset) {
  struct tracked *one = tracked_fd(fd);
  if (!one) {
    if (fd == 1 && trace >= 0 && marks) {
      lock();
      long done = syscall(SYS_write, fd, bytes, length);
      int error = errno;
      if (done > 0) emit(OP_MARK, 0, 0, 0, 0, 0, NULL, NULL, bytes, (size_t)done);
      unlock();
      errno = error;
      return done;
    }
    return offset < 0 ? syscall(SYS_write, fd, bytes, length) : syscall(SYS_pwrite64, fd, bytes, length, offset);
  }
  lock();
  control->writes++;
  ssize_t done = -1;
  int error = 0;
  int dies = last_step(one->path);
  if (dies && (!control->kill_torn || length < 2)) die();
  if (dies) length /= 2;
  int64_t size = size_of(fd);
  int64_t at = offset;
  if (offset < 0) at = (syscall(SYS_fcntl, fd, F_GETFL) & O_APPEND) ? size : (int64_t)syscall(SYS_lseek, fd, 0, SEEK_CUR);
  if (matches(one->path)) {
    int64_t growth = at + (int64_t)length - size;
    if (comes(&control->fail_write)) error = EIO;
    else if (comes(&control->short_write) && length > 1) length /= 2;
    else if (control->space_left >= 0 && growth > control->space_left) {
      control->injected++;
      int64_t fits = (int64_t)length - (growth - control->space_left);
      if (fits <= 0) error = ENOSPC;
      else length = (size_t)fits;
      growth = control->space_left;
    }
    if (!error && control->space_left >= 0 && growth > 0) control->space_left -= growth < control->space_left ? growth : control->space_left;
  }
  if (!error) {
    /* A synchronous write is a write and a sync: when that fails, the bytes may be there and are not durable. */
    int synchronous = one->flags & F_SYNCHRONOUS;
    if (synchronous) control->syncs++;
    int unsynced = synchronous && matches(one->path) && comes(&control->fail_sync);
    done = offset < 0 ? syscall(SYS_write, fd, bytes, length) : syscall(SYS_pwrite64, fd, bytes, length, offset);
    error = errno;
    if (done > 0)
      emit(OP_WRITE, unsynced ? 0 : synchronous, one->handle, at, 0, 0, NULL, NULL, bytes, (size_t)done);
    if (unsynced) { done = -1; error = EIO; }
  }
  if (dies) die();
  unlock();
  errno = error;
  return done;
}

static ssize_t do_writev(int fd, const struct iovec *parts, int count, int64_t offset) {
  size_t total = 0;
  if (!tracked_fd(fd) && fd != 1)
    return offset < 0 ? syscall(SYS_writev, fd, parts, count)
                      : syscall(SYS_pwritev, fd, parts, count, (long)offset, 0L);
  for (int i = 0; i < count; i++) total += parts[i].iov_len;
  char *joined = malloc(total ? total : 1);
  if (!joined) { errno = ENOMEM; return -1; }
  size_t end = 0;
  for (int i = 0; i < count; i++) {
    memcpy(joined + end, parts[i].iov_base, parts[i].iov_len);
    end += parts[i].iov_len;
  }
  ssize_t done = do_write(fd, joined, total, offset);
  int error = errno;
  free(joined);
  errno = error;
  return done;
}

ssize_t write(int fd, const void *bytes, size_t length) { return do_write(fd, bytes, length, -1); }
ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) { return do_write(fd, bytes, length, offset); }
ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset) { return do_write(fd, bytes, length, offset); }
ssize_t writev(int fd, const struct iovec *parts, int count) { return do_writev(fd, parts, count, -1); }
ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset) { return do_writev(fd, parts, count, offset); }
ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t offset) { return do_writev(fd, parts, count, offset); }
ssize_t pwritev2(int fd, const struct iovec *parts, int count, off_t offset, int flags) { (void)flags; return do_writev(fd, parts, count, offset); }
ssize_t pwritev64v2(int fd, const struct iovec *parts, int count, off64_t offset, int flags) { (void)flags; return do_writev(fd, parts, count, offset); }

/* Callers fall back to reading and writing. */
ssize_t copy_file_range(int from, off64_t *from_at, int to, off64_t *to_at, size_t length, unsigned flags) {
  if (tracked_fd(to)) { errno = ENOSYS; return -1; }
  return syscall(SYS_copy_file_range, from, from_at, to, to_at, length, flags);
}
ssize_t sendfile(int to, int from, off_t *offset, size_t length) {
  if (tracked_fd(to)) { errno = EINVAL; return -1; }
  return syscall(SYS_sendfile, to, from, offset, length);
}
ssize_t sendfile64(int to, int from, off64_t *offset, size_t length) {
  if (tracked_fd(to)) { errno = EINVAL; return -1; }
  return syscall(SYS_sendfile, to, from, offset, length);
}

static int do_truncate(int fd, int64_t size) {
  struct tracked *one = tracked_fd(fd);
  if (!one) return (int)syscall(SYS_ftruncate, fd, size);
  lock();
  step(one->path);
  int result = (int)syscall(SYS_ftruncate, fd, size);
  int error = errno;
  if (result == 0) emit(OP_TRUNCATE, 0, one->handle, size, 0, 0, NULL, NULL, NULL, 0);
  unlock();
  errno = error;
  return result;
}
int ftruncate(int fd, off_t size) { return do_truncate(fd, size); }
int ftruncate64(int fd, off64_t size) { return do_truncate(fd, size); }

static int do_truncate_path(const char *path, int64_t size) {
  char full[PATH_MAX];
  if (!tracked_path(AT_FDCWD, path, full)) return (int)syscall(SYS_truncate, path, size);
  int fd = do_open(AT_FDCWD, path, O_WRONLY | O_CLOEXEC, 0);
  if (fd < 0) return -1;
  int result = do_truncate(fd, size);
  int error = errno;
  close(fd);
  errno = error;
  return result;
}
int truncate(const char *path, off_t size) { return do_truncate_path(path, size); }
int truncate64(const char *path, off64_t size) { return do_truncate_path(path, size); }

static int do_allocate(int fd, int mode, int64_t offset, int64_t length) {
  struct tracked *one = tracked_fd(fd);
  if (!one) return (int)syscall(SYS_fallocate, fd, mode, offset, length);
  lock();
  step(one->path);
  int result = -1, error = ENOSPC;
  int64_t growth = offset + length - size_of(fd);
  if (control->space_left < 0 || growth <= control->space_left || !matches(one->path)) {
    result = (int)syscall(SYS_fallocate, fd, mode, offset, length);
    error = errno;
    if (result == 0) emit(OP_ALLOCATE, mode & 0xff, one->handle, offset, length, 0, NULL, NULL, NULL, 0);
  } else control->injected++;
  unlock();
  errno = error;
  return result;
}
int fallocate(int fd, int mode, off_t offset, off_t length) { return do_allocate(fd, mode, offset, length); }
int fallocate64(int fd, int mode, off64_t offset, off64_t length) { return do_allocate(fd, mode, offset, length); }
int posix_fallocate(int fd, off_t offset, off_t length) { return do_allocate(fd, 0, offset, length) == 0 ? 0 : errno; }
int posix_fallocate64(int fd, off64_t offset, off64_t length) { return do_allocate(fd, 0, offset, length) == 0 ? 0 : errno; }

/* ---- syncing */

static int do_sync(int fd, int number) {
  struct tracked *one = tracked_fd(fd);
  if (!one) return (int)syscall(number, fd);
  /* Outside of the lock: who acknowledges without waiting for it has the time to do so. */
  if (sync_micros > 0) usleep(sync_micros);
  lock();
  control->syncs++;
  step(one->path);
  int result = 0, error = 0;
  if (matches(one->path) && comes(&control->fail_sync)) { result = -1; error = EIO; }
  else if (real_syncs) { result = (int)syscall(number, fd); error = errno; }
  emit(result == 0 ? OP_SYNC : OP_SYNC_FAILED, one->flags & F_DIRECTORY, one->handle, 0, 0, error, one->path, NULL, NULL, 0);
  unlock();
  errno = error;
  return result;
}
int fsync(int fd) { return do_sync(fd, SYS_fsync); }
int fdatasync(int fd) { return do_sync(fd, SYS_fdatasync); }
/* Starts writing back; promises nothing about a power cut, so nothing is recorded. */
int sync_file_range(int fd, off64_t offset, off64_t length, unsigned flags) {
  return tracked_fd(fd) ? 0 : (int)syscall(SYS_sync_file_range, fd, offset, length, flags);
}
static void sync_all(void) {
  lock();
  control->syncs++;
  emit(OP_SYNC_ALL, 0, 0, 0, 0, 0, NULL, NULL, NULL, 0);
  unlock();
}
void sync(void) { syscall(SYS_sync); sync_all(); }
int syncfs(int fd) { int result = (int)syscall(SYS_syncfs, fd); if (result == 0 && tracked_fd(fd)) sync_all(); return result; }
int msync(void *at, size_t length, int flags) { return (int)syscall(SYS_msync, at, length, flags); }

/* ---- reading */

static int read_fails(int fd) {
  struct tracked *one = tracked_fd(fd);
  if (!one) return 0;
  lock();
  control->reads++;
  int fails = matches(one->path) && comes(&control->fail_read);
  unlock();
  if (fails) errno = EIO;
  return fails;
}
ssize_t read(int fd, void *bytes, size_t length) { return read_fails(fd) ? -1 : syscall(SYS_read, fd, bytes, length); }
ssize_t pread(int fd, void *bytes, size_t length, off_t offset) { return read_fails(fd) ? -1 : syscall(SYS_pread64, fd, bytes, length, offset); }
ssize_t pread64(int fd, void *bytes, size_t length, off64_t offset) { return read_fails(fd) ? -1 : syscall(SYS_pread64, fd, bytes, length, offset); }
ssize_t readv(int fd, const struct iovec *parts, int count) { return read_fails(fd) ? -1 : syscall(SYS_readv, fd, parts, count); }
ssize_t preadv(int fd, const struct iovec *parts, int count, off_t offset) { return read_fails(fd) ? -1 : syscall(SYS_preadv, fd, parts, count, (long)offset, 0L); }
ssize_t preadv64(int fd, const struct iovec *parts, int count, off64_t offset) { return read_fails(fd) ? -1 : syscall(SYS_preadv, fd, parts, count, (long)offset, 0L); }

/* ---- names */

static int do_rename(int from_at, const char *from, int to_at, const char *to, unsigned flags) {
  char first[PATH_MAX], second[PATH_MAX];
  int known_from = tracked_path(from_at, from, first), known_to = tracked_path(to_at, to, second);
  if (!known_from && !known_to) return (int)syscall(SYS_renameat2, from_at, from, to_at, to, flags);
  lock();
  step(first);
  int result = (int)syscall(SYS_renameat2, from_at, from, to_at, to, flags);
  int error = errno;
  if (result == 0) {
    if (known_from && known_to && flags == 0) emit(OP_RENAME, 0, 0, 0, 0, 0, first, second, NULL, 0);
    else emit(OP_UNSEEN, 0, 0, UNSEEN_SPECIAL, 0, 0, known_from ? first : second, NULL, NULL, 0);
    size_t length = strlen(first);
    for (int fd = 0; known_from && known_to && fd < MAX_FD; fd++) {
      char *path = table[fd].path;
      if (!path || strncmp(path, first, length) != 0 || (path[length] != 0 && path[length] != '/')) continue;
      char moved[2 * PATH_MAX];
      snprintf(moved, sizeof moved, "%s%s", second, path + length);
      table[fd].path = strdup(moved);
      free(path);
    }
  }
  unlock();
  errno = error;
  return result;
}
int rename(const char *from, const char *to) { return do_rename(AT_FDCWD, from, AT_FDCWD, to, 0); }
int renameat(int from_at, const char *from, int to_at, const char *to) { return do_rename(from_at, from, to_at, to, 0); }
int renameat2(int from_at, const char *from, int to_at, const char *to, unsigned flags) { return do_rename(from_at, from, to_at, to, flags); }

static int do_unlink(int at, const char *path, int flags) {
  char full[PATH_MAX];
  if (!tracked_path(at, path, full)) return (int)syscall(SYS_unlinkat, at, path, flags);
  lock();
  struct stat now;
  if (fstatat(at, path, &now, AT_SYMLINK_NOFOLLOW) == 0) step(full);
  int result = (int)syscall(SYS_unlinkat, at, path, flags);
  int error = errno;
  if (result == 0) emit(flags & AT_REMOVEDIR ? OP_RMDIR : OP_UNLINK, 0, 0, 0, 0, 0, full, NULL, NULL, 0);
  unlock();
  errno = error;
  return result;
}
int unlink(const char *path) { return do_unlink(AT_FDCWD, path, 0); }
int unlinkat(int at, const char *path, int flags) { return do_unlink(at, path, flags); }
int rmdir(const char *path) { return do_unlink(AT_FDCWD, path, AT_REMOVEDIR); }
int remove(const char *path) {
  int result = unlink(path);
  return result != 0 && (errno == EISDIR || errno == EPERM) ? rmdir(path) : result;
}

static int do_mkdir(int at, const char *path, mode_t mode) {
  char full[PATH_MAX];
  if (!tracked_path(at, path, full)) return (int)syscall(SYS_mkdirat, at, path, mode);
  lock();
  struct stat now;
  if (fstatat(at, path, &now, 0) != 0) step(full);
  int result = (int)syscall(SYS_mkdirat, at, path, mode);
  int error = errno;
  if (result == 0) emit(OP_MKDIR, 0, 0, 0, 0, 0, full, NULL, NULL, 0);
  unlock();
  errno = error;
  return result;
}
int mkdir(const char *path, mode_t mode) { return do_mkdir(AT_FDCWD, path, mode); }
int mkdirat(int at, const char *path, mode_t mode) { return do_mkdir(at, path, mode); }

static int do_link(int from_at, const char *from, int to_at, const char *to, int flags) {
  char first[PATH_MAX], second[PATH_MAX];
  int known_from = tracked_path(from_at, from, first), known_to = tracked_path(to_at, to, second);
  if (!known_from && !known_to) return (int)syscall(SYS_linkat, from_at, from, to_at, to, flags);
  lock();
  step(second);
  int result = (int)syscall(SYS_linkat, from_at, from, to_at, to, flags);
  int error = errno;
  if (result == 0) {
    if (known_from && known_to) emit(OP_LINK, 0, 0, 0, 0, 0, first, second, NULL, 0);
    else emit(OP_UNSEEN, 0, 0, UNSEEN_SPECIAL, 0, 0, known_from ? first : second, NULL, NULL, 0);
  }
  unlock();
  errno = error;
  return result;
}
int link(const char *from, const char *to) { return do_link(AT_FDCWD, from, AT_FDCWD, to, 0); }
int linkat(int from_at, const char *from, int to_at, const char *to, int flags) { return do_link(from_at, from, to_at, to, flags); }

/* ---- what is not seen, and said */

static void *do_mmap(void *at, size_t length, int protection, int flags, int fd, int64_t offset) {
  struct tracked *one = tracked_fd(fd);
  if (one && (protection & PROT_WRITE) && (flags & (MAP_SHARED | MAP_SHARED_VALIDATE))) {
    lock();
    emit(OP_UNSEEN, 0, one->handle, UNSEEN_MAPPING, 0, 0, one->path, NULL, NULL, 0);
    unlock();
  }
  return (void *)syscall(SYS_mmap, at, length, protection, flags, fd, offset);
}
void *mmap(void *at, size_t length, int protection, int flags, int fd, off_t offset) { return do_mmap(at, length, protection, flags, fd, offset); }
void *mmap64(void *at, size_t length, int protection, int flags, int fd, off64_t offset) { return do_mmap(at, length, protection, flags, fd, offset); }

/* ---- stdio: the C library writes its streams by calls of its own, so a stream below the directory is one of ours */

#define MAX_STREAMS 1024
static struct { FILE *file; int fd; } streams[MAX_STREAMS];

static ssize_t stream_read(void *cookie, char *bytes, size_t length) { return read((int)(intptr_t)cookie, bytes, length); }
static ssize_t stream_write(void *cookie, const char *bytes, size_t length) {
  size_t done = 0;
  while (done < length) {
    ssize_t part = write((int)(intptr_t)cookie, bytes + done, length - done);
    if (part <= 0) break;
    done += (size_t)part;
  }
  return (ssize_t)done;
}
static int stream_seek(void *cookie, off64_t *offset, int whence) {
  off64_t at = (off64_t)syscall(SYS_lseek, (int)(intptr_t)cookie, *offset, whence);
  if (at < 0) return -1;
  *offset = at;
  return 0;
}
static int stream_close(void *cookie) {
  int fd = (int)(intptr_t)cookie;
  lock();
  for (int i = 0; i < MAX_STREAMS; i++) if (streams[i].file && streams[i].fd == fd) streams[i].file = NULL;
  unlock();
  return close(fd);
}

static int flags_of(const char *mode) {
  int both = strchr(mode, '+') != NULL;
  int flags = mode[0] == 'r' ? (both ? O_RDWR : O_RDONLY)
                             : (both ? O_RDWR : O_WRONLY) | O_CREAT | (mode[0] == 'w' ? O_TRUNC : O_APPEND);
  if (strchr(mode, 'x')) flags |= O_EXCL;
  if (strchr(mode, 'e')) flags |= O_CLOEXEC;
  return flags;
}

static FILE *open_stream(const char *path, const char *mode) {
  int fd = do_open(AT_FDCWD, path, flags_of(mode), 0666);
  if (fd < 0) return NULL;
  cookie_io_functions_t functions = { stream_read, stream_write, stream_seek, stream_close };
  FILE *file = fopencookie((void *)(intptr_t)fd, mode, functions);
  if (!file) { close(fd); return NULL; }
  lock();
  int i = 0;
  while (i < MAX_STREAMS && streams[i].file) i++;
  if (i < MAX_STREAMS) { streams[i].fd = fd; streams[i].file = file; }
  unlock();
  return file;
}
FILE *fopen(const char *path, const char *mode) {
  REAL(fopen)
  char full[PATH_MAX];
  return tracked_path(AT_FDCWD, path, full) ? open_stream(path, mode) : real(path, mode);
}
FILE *fopen64(const char *path, const char *mode) {
  REAL(fopen64)
  char full[PATH_MAX];
  return tracked_path(AT_FDCWD, path, full) ? open_stream(path, mode) : real(path, mode);
}

/* Who syncs a stream asks for its descriptor. */
static int descriptor_of(FILE *file) {
  int fd = -1;
  lock();
  for (int i = 0; i < MAX_STREAMS && fd < 0; i++) if (streams[i].file == file) fd = streams[i].fd;
  unlock();
  return fd;
}
int fileno(FILE *file) { REAL(fileno) int fd = descriptor_of(file); return fd >= 0 ? fd : real(file); }
int fileno_unlocked(FILE *file) { REAL(fileno_unlocked) int fd = descriptor_of(file); return fd >= 0 ? fd : real(file); }

/* A stream on a descriptor that is ours already is not done anew; what is written through it is not seen, and said. */
static void stream_on(int fd, const char *mode) {
  struct tracked *one = tracked_fd(fd);
  if (!one || !strpbrk(mode, "wa+")) return;
  lock();
  emit(OP_UNSEEN, 0, one->handle, UNSEEN_STDIO, 0, 0, one->path, NULL, NULL, 0);
  unlock();
}
FILE *fdopen(int fd, const char *mode) { REAL(fdopen) stream_on(fd, mode); return real(fd, mode); }
FILE *freopen(const char *path, const char *mode, FILE *file) {
  REAL(freopen)
  char full[PATH_MAX];
  if (path && strpbrk(mode, "wa+") && tracked_path(AT_FDCWD, path, full)) {
    lock();
    emit(OP_UNSEEN, 0, 0, UNSEEN_STDIO, 0, 0, full, NULL, NULL, 0);
    unlock();
  }
  return real(path, mode, file);
}
