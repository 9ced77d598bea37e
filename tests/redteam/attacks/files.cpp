// Ways through files: into the input, out of the output, past the root, over shared inodes.
#include <dirent.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <string>

#include "attack.h"

namespace attacks {
namespace {

int open_and_close(const char* path, int flags) {
  const int fd = ::open(path, flags | O_CLOEXEC, 0600);
  if (fd < 0) return errno;
  (void)::close(fd);
  return kOpen;
}

// ARGUMENT of the next ones: a path.
int create_file(const char* path) {
  const int made = open_and_close(path, O_WRONLY | O_CREAT | O_EXCL);
  if (made == kOpen) (void)::unlink(path);
  return made;
}
int open_to_read(const char* path) { return open_and_close(path, O_RDONLY); }
int open_to_write(const char* path) { return open_and_close(path, O_WRONLY); }
int list_directory(const char* path) { return open_and_close(path, O_RDONLY | O_DIRECTORY); }
int write_fifo(const char* path) { return open_and_close(path, O_WRONLY | O_NONBLOCK); }
int change_mode(const char* path) { return result_of(::chmod(path, 0777)); }
int change_times(const char* path) { return result_of(::utimensat(AT_FDCWD, path, nullptr, 0)); }
int make_fifo(const char* path) {
  const int made = result_of(::mkfifo(path, 0600));
  (void)::unlink(path);
  return made;
}
int make_link(const char* path) {
  const int made = result_of(::symlink("/etc/shadow", path));
  (void)::unlink(path);
  return made;
}
int make_device(const char* path) {
  const int made = result_of(::mknod(path, S_IFCHR | 0600, makedev(1, 3)));
  (void)::unlink(path);
  return made;
}
int set_uid_bit(const char* path) {
  const int made = open_and_close(path, O_WRONLY | O_CREAT);
  const int changed = made == kOpen ? result_of(::chmod(path, 04755)) : made;
  (void)::unlink(path);
  return changed;
}
int set_attribute(const char* path) {
  const int made = open_and_close(path, O_WRONLY | O_CREAT);
  const int set = made == kOpen ? result_of(::setxattr(path, "user.leak", "x", 1, 0)) : made;
  (void)::unlink(path);
  return set;
}
int run_dropped_file(const char* path) {
  const int fd = ::open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0700);
  if (fd < 0) return errno;
  // Not a program: whoever may execute it gets ENOEXEC, which is the kernel reading it.
  [[maybe_unused]] const auto wrote = ::write(fd, "x", 1);
  (void)::close(fd);
  (void)::execl(path, path, nullptr);
  const int why = errno == ENOEXEC ? kOpen : errno;
  (void)::unlink(path);
  return why;
}

// ARGUMENT: SOURCE:TARGET
int hard_link(const char* pair) {
  const std::string both = pair;
  const auto colon = both.find(':');
  const std::string target = both.substr(colon + 1);
  const int made = result_of(::link(both.substr(0, colon).c_str(), target.c_str()));
  (void)::unlink(target.c_str());
  return made;
}

// Whether reading leaves a trace in the time of last access.
int touch_by_reading(const char* path) {
  struct stat before {};
  struct stat after {};
  if (::stat(path, &before) != 0) return errno;
  char byte = 0;
  const int fd = ::open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0 || ::read(fd, &byte, 1) < 0 || ::stat(path, &after) != 0) return errno;
  return before.st_atim.tv_nsec != after.st_atim.tv_nsec ? kOpen : kNothingFound;
}

// Somebody outside holds a lock on an event descriptor: all of the machine's share one inode.
int see_foreign_lock(const char*) {
  const int fd = ::eventfd(0, EFD_CLOEXEC);
  if (fd < 0) return errno;
  if (::flock(fd, LOCK_EX | LOCK_NB) == 0) return kNothingFound;
  return errno == EWOULDBLOCK ? kOpen : errno;
}
int see_foreign_record_lock(const char*) {
  const int fd = ::eventfd(0, EFD_CLOEXEC);
  struct flock lock {};
  lock.l_type = F_WRLCK;
  if (fd < 0) return errno;
  if (::fcntl(fd, F_SETLK, &lock) == 0) return kNothingFound;
  return errno == EAGAIN || errno == EACCES ? kOpen : errno;
}
int take_lease(const char* path) {
  const int fd = ::open(path, O_RDONLY | O_CLOEXEC);
  return fd < 0 ? errno : result_of(::fcntl(fd, F_SETLEASE, F_RDLCK));
}
int watch_files(const char*) { return result_of(::inotify_init1(IN_CLOEXEC)); }
int ask_free_space(const char*) {
  struct statfs state {};
  return result_of(::statfs("/", &state));
}
int ask_machine_load(const char*) {
  struct sysinfo state {};
  return result_of(::sysinfo(&state));
}
// Whether a page is in the machine's cache says whether somebody else read it.
int ask_page_cache(const char* path) {
  const int fd = ::open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return errno;
  char byte = 0;
  const iovec into{&byte, 1};
  const auto got = ::preadv2(fd, &into, 1, 0, RWF_NOWAIT);
  return got < 0 && errno == EAGAIN ? kOpen : result_of(got);
}

int mount_tmpfs(const char*) { return result_of(::mount("none", "/tmp", "tmpfs", 0, nullptr)); }
int remount_root(const char*) {
  return result_of(::mount(nullptr, "/", nullptr, MS_REMOUNT | MS_BIND, nullptr));
}
int open_tree_clone(const char*) { return result_of(::syscall(SYS_open_tree, AT_FDCWD, "/", 1)); }
int open_file_system(const char*) { return result_of(::syscall(SYS_fsopen, "tmpfs", 0)); }
int change_root(const char*) { return result_of(::chroot("/tmp")); }

int ask_file_handle(const char* path) {
  struct {
    ::file_handle head;
    char space[128];
  } handle{};
  handle.head.handle_bytes = sizeof handle.space;
  int mount_id = 0;
  return result_of(::name_to_handle_at(AT_FDCWD, path, &handle.head, &mount_id, 0));
}

// ARGUMENT: a text of the host's; whether the table of mounts shows it.
int host_path_in_mounts(const char* needle) {
  FILE* file = std::fopen("/proc/self/mountinfo", "re");
  if (file == nullptr) return errno;
  char line[4096];
  int found = kNothingFound;
  while (std::fgets(line, sizeof line, file) != nullptr) {
    if (std::strstr(line, needle) != nullptr) found = kOpen;
  }
  (void)std::fclose(file);
  return found;
}

int inherited_descriptor(const char*) {
  DIR* entries = ::opendir("/proc/self/fd");
  if (entries == nullptr) return errno;
  int found = kNothingFound;
  while (const dirent* entry = ::readdir(entries)) {
    char target[512]{};
    const int fd = std::atoi(entry->d_name);
    if (fd <= 2 || fd == ::dirfd(entries)) continue;
    const std::string link = std::string("/proc/self/fd/") + entry->d_name;
    if (::readlink(link.c_str(), target, sizeof target - 1) < 0) continue;
    if (std::strncmp(target, "pipe:", 5) != 0) found = kOpen;  // the harness has one of those
  }
  (void)::closedir(entries);
  return found;
}

constexpr Attack kAttacks[]{{"create_file", create_file},
                            {"open_to_read", open_to_read},
                            {"open_to_write", open_to_write},
                            {"list_directory", list_directory},
                            {"write_fifo", write_fifo},
                            {"change_mode", change_mode},
                            {"change_times", change_times},
                            {"make_fifo", make_fifo},
                            {"make_link", make_link},
                            {"make_device", make_device},
                            {"set_uid_bit", set_uid_bit},
                            {"set_attribute", set_attribute},
                            {"run_dropped_file", run_dropped_file},
                            {"hard_link", hard_link},
                            {"touch_by_reading", touch_by_reading},
                            {"see_foreign_lock", see_foreign_lock},
                            {"see_foreign_record_lock", see_foreign_record_lock},
                            {"take_lease", take_lease},
                            {"watch_files", watch_files},
                            {"ask_free_space", ask_free_space},
                            {"ask_machine_load", ask_machine_load},
                            {"ask_page_cache", ask_page_cache},
                            {"mount_tmpfs", mount_tmpfs},
                            {"remount_root", remount_root},
                            {"open_tree_clone", open_tree_clone},
                            {"open_file_system", open_file_system},
                            {"change_root", change_root},
                            {"ask_file_handle", ask_file_handle},
                            {"host_path_in_mounts", host_path_in_mounts},
                            {"inherited_descriptor", inherited_descriptor}};

}  // namespace

std::span<const Attack> on_files() { return kAttacks; }

}  // namespace attacks
