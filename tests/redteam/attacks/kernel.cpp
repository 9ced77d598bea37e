// Ways into the kernel: namespaces, other calling conventions, rare interfaces.
#include <linux/bpf.h>
#include <linux/io_uring.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>

#include "attack.h"

namespace attacks {
namespace {

int new_user_namespace(const char*) { return result_of(::unshare(CLONE_NEWUSER)); }

int clone_user_namespace(const char*) {
  const long pid = ::syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);
  if (pid == 0) ::_exit(0);
  if (pid > 0) (void)::waitpid(static_cast<pid_t>(pid), nullptr, 0);
  return result_of(pid);
}

int clone3_user_namespace(const char*) {
  std::uint64_t arguments[8]{CLONE_NEWUSER, 0, 0, 0, SIGCHLD, 0, 0, 0};
  const long pid = ::syscall(SYS_clone3, arguments, sizeof arguments);
  if (pid == 0) ::_exit(0);
  if (pid > 0) (void)::waitpid(static_cast<pid_t>(pid), nullptr, 0);
  return result_of(pid);
}

int call_of_i386(const char*) {
  constexpr int kGetpid = 20;
  int answer = kGetpid;
  asm volatile("int $0x80" : "+a"(answer) : : "memory");
  return answer > 0 ? kOpen : -answer;
}

// The kernel of the control may not have x32: then it says so, and is not killed for asking.
int call_of_x32(const char*) {
  const long answer = ::syscall(0x40000000L | SYS_getpid);
  return answer < 0 && errno == ENOSYS ? kOpen : result_of(answer);
}

int load_bpf(const char*) {
  bpf_attr attributes{};
  attributes.map_type = BPF_MAP_TYPE_ARRAY;
  attributes.key_size = 4;
  attributes.value_size = 4;
  attributes.max_entries = 1;
  return result_of(::syscall(SYS_bpf, BPF_MAP_CREATE, &attributes, sizeof attributes));
}

int measure_others(const char*) {
  perf_event_attr attributes{};
  attributes.type = PERF_TYPE_SOFTWARE;
  attributes.size = sizeof attributes;
  attributes.config = PERF_COUNT_SW_CPU_CLOCK;
  return result_of(::syscall(SYS_perf_event_open, &attributes, 0, -1, -1, 0));
}

int make_ring(const char*) {
  io_uring_params parameters{};
  return result_of(::syscall(SYS_io_uring_setup, 4, &parameters));
}

int handle_faults(const char*) {
  constexpr int kUserModeOnly = 1;
  return result_of(::syscall(SYS_userfaultfd, kUserModeOnly));
}

int use_keyring(const char*) {
  constexpr int kSessionKeyring = -3;
  return result_of(::syscall(SYS_add_key, "user", "cofferdam", "x", 1, kSessionKeyring));
}

int shared_segment(const char*) {
  const int id = ::shmget(IPC_PRIVATE, 4096, 0600);
  if (id >= 0) (void)::shmctl(id, IPC_RMID, nullptr);
  return result_of(id);
}

int message_queue(const char*) {
  const long fd = ::syscall(SYS_mq_open, "cofferdam_test", 0102, 0600, nullptr);
  if (fd >= 0) (void)::syscall(SYS_mq_unlink, "cofferdam_test");
  return result_of(fd);
}

int merge_pages(const char*) {
  void* page = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return result_of(::madvise(page, 4096, MADV_MERGEABLE));
}

// Pages from the machine's pool, which no memory limit of ours counts.
int huge_pages(const char*) {
  void* page = ::mmap(nullptr, std::size_t{2} << 20, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
  if (page != MAP_FAILED) return kOpen;
  return errno == ENOMEM ? kOpen : errno;  // an empty pool was asked all the same
}

int inject_input(const char*) {
  // On what is no terminal the kernel answers ENOTTY: it was asked.
  return ::ioctl(0, TIOCSTI, "x") < 0 && errno != EPERM ? kOpen : errno;
}

int change_personality(const char*) { return result_of(::personality(0x0040000)); }

constexpr Attack kAttacks[]{{"new_user_namespace", new_user_namespace},
                            {"clone_user_namespace", clone_user_namespace},
                            {"clone3_user_namespace", clone3_user_namespace},
                            {"call_of_i386", call_of_i386},
                            {"call_of_x32", call_of_x32},
                            {"load_bpf", load_bpf},
                            {"measure_others", measure_others},
                            {"make_ring", make_ring},
                            {"handle_faults", handle_faults},
                            {"use_keyring", use_keyring},
                            {"shared_segment", shared_segment},
                            {"message_queue", message_queue},
                            {"merge_pages", merge_pages},
                            {"huge_pages", huge_pages},
                            {"inject_input", inject_input},
                            {"change_personality", change_personality}};

}  // namespace

std::span<const Attack> on_kernel() { return kAttacks; }

}  // namespace attacks
