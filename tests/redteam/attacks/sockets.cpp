// Ways out over a socket.
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <linux/vm_sockets.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "attack.h"

namespace attacks {
namespace {

int only_make(int family, int type, int protocol) {
  return result_of(::socket(family, type, protocol));
}

sockaddr_in loopback(const char* port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(std::atoi(port)));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

// ARGUMENT: a port on which somebody outside listens.
int tcp_connect(const char* port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  if (fd < 0) return errno;
  const auto address = loopback(port);
  return result_of(::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address));
}

int udp_send(const char* port) {
  const int fd = ::socket(AF_INET, SOCK_DGRAM, 0);
  if (fd < 0) return errno;
  const auto address = loopback(port);
  return result_of(
      ::sendto(fd, "x", 1, 0, reinterpret_cast<const sockaddr*>(&address), sizeof address));
}

int loopback_listen(const char*) {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  if (fd < 0) return errno;
  const auto address = loopback("0");
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return errno;
  return result_of(::listen(fd, 1));
}

int inet6_socket(const char*) { return only_make(AF_INET6, SOCK_STREAM, 0); }
int netlink_socket(const char*) { return only_make(AF_NETLINK, SOCK_RAW, 0); }
// A namespace without network does not stop this one: it reaches the hypervisor.
int vsock_socket(const char*) { return only_make(AF_VSOCK, SOCK_STREAM, 0); }

int connect_local(sockaddr_un address, socklen_t length) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
  if (fd < 0) return errno;
  return result_of(::connect(fd, reinterpret_cast<const sockaddr*>(&address), length));
}

// ARGUMENT: the name of an abstract socket on which somebody outside listens.
int abstract_connect(const char* name) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path + 1, name, sizeof address.sun_path - 2);
  return connect_local(
      address, static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + std::strlen(name)));
}

// ARGUMENT: the path of a socket on which somebody outside listens.
int path_connect(const char* path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path, sizeof address.sun_path - 1);
  return connect_local(address, sizeof address);
}

int local_pair(const char*) {
  int ends[2];
  return result_of(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
}

int local_listen(const char* path) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
  if (fd < 0) return errno;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path, sizeof address.sun_path - 1);
  (void)::unlink(path);
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return errno;
  const int listening = result_of(::listen(fd, 1));
  (void)::unlink(path);
  return listening;
}

constexpr Attack kAttacks[]{{"tcp_connect", tcp_connect},
                            {"udp_send", udp_send},
                            {"loopback_listen", loopback_listen},
                            {"inet6_socket", inet6_socket},
                            {"netlink_socket", netlink_socket},
                            {"vsock_socket", vsock_socket},
                            {"abstract_connect", abstract_connect},
                            {"path_connect", path_connect},
                            {"local_pair", local_pair},
                            {"local_listen", local_listen}};

}  // namespace

std::span<const Attack> on_sockets() { return kAttacks; }

}  // namespace attacks
