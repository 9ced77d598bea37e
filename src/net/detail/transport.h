// A connected stream socket that never blocks, plain or under TLS.
//
// Invariants: an operation answers at once; WantRead and WantWrite say what to wait for before the
// same operation is called again. After Closed or Failed nothing more is possible.
// Errors: contexts: InvalidArgument (a certificate, key or authority file that cannot be used).
// Thread-safety: one thread at a time; contexts may be shared by the transports of one thread.
// Source: RFC 8446 by OpenSSL; TLS 1.2 is the oldest accepted.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/unique_fd.h"

struct ssl_ctx_st;

namespace coffer::net::detail {

enum class Io : std::uint8_t { Done, WantRead, WantWrite, Closed, Failed };

struct IoResult {
  Io state;
  std::size_t bytes{0};  // moved, when Done
};

class Transport {
 public:
  explicit Transport(UniqueFd fd) : fd_(std::move(fd)) {}
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;
  virtual ~Transport() = default;

  int fd() const { return fd_.get(); }
  virtual IoResult handshake() = 0;
  virtual IoResult read(std::span<char> into) = 0;  // Closed at the orderly end
  virtual IoResult write(std::string_view bytes) = 0;
  // Sends from a file without moving its position; call with what is left until all is sent.
  // Failed when the file is shorter than `length` says.
  virtual IoResult send_file(int file, std::uint64_t offset, std::uint64_t length) = 0;
  // Ends our side: the peer reads an orderly end.
  virtual void shut() = 0;
  // Why a handshake failed, fit to be shown.
  virtual std::string problem() const = 0;

 private:
  UniqueFd fd_;
};

class TlsContext {
 public:
  struct Files {
    std::string certificate;
    std::string key;
  };
  static Result<TlsContext> server(const Files& files);
  // Trusts the system's authorities, and those of `ca_file` if it is not empty.
  static Result<TlsContext> client(const std::string& ca_file);
  ssl_ctx_st* get() const { return context_.get(); }

 private:
  struct Free {
    void operator()(ssl_ctx_st* context) const;
  };
  explicit TlsContext(std::unique_ptr<ssl_ctx_st, Free> context) : context_(std::move(context)) {}
  static Result<TlsContext> make(const void* method);
  std::unique_ptr<ssl_ctx_st, Free> context_;
};

// All take a non-blocking socket.
std::unique_ptr<Transport> plain_transport(UniqueFd fd);
Result<std::unique_ptr<Transport>> tls_accepting(UniqueFd fd, const TlsContext& context);
Result<std::unique_ptr<Transport>> tls_connecting(UniqueFd fd, const TlsContext& context,
                                                  const std::string& host);

}  // namespace coffer::net::detail
