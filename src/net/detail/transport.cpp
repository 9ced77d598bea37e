#include "net/detail/transport.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

namespace coffer::net::detail {
namespace {

constexpr std::size_t kPiece = 64 << 10;
constexpr std::uint64_t kSendFileMax = 1 << 20;  // one call's share, so that others get their turn

IoResult from_errno(Io blocked) {
  if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return {blocked};
  return {errno == ECONNRESET || errno == EPIPE ? Io::Closed : Io::Failed};
}

class Plain final : public Transport {
 public:
  using Transport::Transport;
  IoResult handshake() override { return {Io::Done}; }

  IoResult read(std::span<char> into) override {
    const auto got = ::recv(fd(), into.data(), into.size(), 0);
    if (got < 0) return from_errno(Io::WantRead);
    if (got == 0) return {Io::Closed};
    return {Io::Done, static_cast<std::size_t>(got)};
  }

  IoResult write(std::string_view bytes) override {
    const auto sent = ::send(fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0) return from_errno(Io::WantWrite);
    return {Io::Done, static_cast<std::size_t>(sent)};
  }

  IoResult send_file(int file, std::uint64_t offset, std::uint64_t length) override {
    auto at = static_cast<off_t>(offset);
    const auto sent = ::sendfile(fd(), file, &at, std::min(length, kSendFileMax));
    if (sent < 0) return from_errno(Io::WantWrite);
    if (sent == 0) return {Io::Failed};
    return {Io::Done, static_cast<std::size_t>(sent)};
  }

  void shut() override { (void)::shutdown(fd(), SHUT_WR); }
  std::string problem() const override { return "connection failed"; }
};

struct FreeSsl {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
};
using SslPtr = std::unique_ptr<SSL, FreeSsl>;

class Tls final : public Transport {
 public:
  Tls(UniqueFd fd, SslPtr ssl) : Transport(std::move(fd)), ssl_(std::move(ssl)) {}

  IoResult handshake() override {
    ERR_clear_error();
    return result(SSL_do_handshake(ssl_.get()), 0);
  }

  IoResult read(std::span<char> into) override {
    ERR_clear_error();
    std::size_t got = 0;
    const int code = SSL_read_ex(ssl_.get(), into.data(), into.size(), &got);
    return result(code, got);
  }

  IoResult write(std::string_view bytes) override {
    ERR_clear_error();
    std::size_t sent = 0;
    const int code = SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &sent);
    return result(code, sent);
  }

  // A write that could not go out is repeated with the same bytes, as TLS asks: they are kept.
  IoResult send_file(int file, std::uint64_t offset, std::uint64_t length) override {
    if (piece_at_ == piece_.size()) {
      piece_.resize(static_cast<std::size_t>(std::min<std::uint64_t>(length, kPiece)));
      const auto got = ::pread(file, piece_.data(), piece_.size(), static_cast<off_t>(offset));
      piece_at_ = 0;
      piece_.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
      if (got <= 0) return {Io::Failed};
    }
    const IoResult sent = write(std::string_view{piece_}.substr(piece_at_));
    if (sent.state == Io::Done) piece_at_ += sent.bytes;
    return sent;
  }

  void shut() override {
    ERR_clear_error();
    if (SSL_is_init_finished(ssl_.get()) == 1) (void)SSL_shutdown(ssl_.get());
    (void)::shutdown(fd(), SHUT_WR);
  }

  std::string problem() const override {
    const long verdict = SSL_get_verify_result(ssl_.get());
    if (verdict != X509_V_OK) return X509_verify_cert_error_string(verdict);
    return "TLS handshake failed";
  }

 private:
  IoResult result(int code, std::size_t bytes) {
    if (code == 1) return {Io::Done, bytes};
    switch (SSL_get_error(ssl_.get(), code)) {
      case SSL_ERROR_WANT_READ:
        return {Io::WantRead};
      case SSL_ERROR_WANT_WRITE:
        return {Io::WantWrite};
      case SSL_ERROR_ZERO_RETURN:
        return {Io::Closed};
      default:
        return {Io::Failed};
    }
  }

  SslPtr ssl_;
  std::string piece_;
  std::size_t piece_at_{0};
};

Error bad_file(std::string_view what, std::string_view file) {
  const auto code = ERR_peek_last_error();
  ERR_clear_error();
  const char* reason = ERR_reason_error_string(code);
  return Error{Code::InvalidArgument, fmt::format("{} {} cannot be used", what, file),
               reason == nullptr ? "" : reason};
}

Result<std::unique_ptr<Transport>> wrap(UniqueFd fd, const TlsContext& context,
                                        const std::string* host) {
  SslPtr ssl{SSL_new(context.get())};
  if (!ssl || SSL_set_fd(ssl.get(), fd.get()) != 1) return Error{Code::Unavailable, "no TLS"};
  if (host == nullptr) {
    SSL_set_accept_state(ssl.get());
    return std::unique_ptr<Transport>{std::make_unique<Tls>(std::move(fd), std::move(ssl))};
  }
  SSL_set_connect_state(ssl.get());
  in6_addr any{};
  const bool address = ::inet_pton(AF_INET, host->c_str(), &any) == 1 ||
                       ::inet_pton(AF_INET6, host->c_str(), &any) == 1;
  const bool named =
      address ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl.get()), host->c_str()) == 1
              : SSL_set1_host(ssl.get(), host->c_str()) == 1 &&
                    SSL_set_tlsext_host_name(ssl.get(), host->c_str()) == 1;
  if (!named) return Error{Code::InvalidArgument, "the host has no name that TLS can check"};
  return std::unique_ptr<Transport>{std::make_unique<Tls>(std::move(fd), std::move(ssl))};
}

}  // namespace

void TlsContext::Free::operator()(ssl_ctx_st* context) const { SSL_CTX_free(context); }

Result<TlsContext> TlsContext::make(const void* method) {
  TlsContext made{
      std::unique_ptr<ssl_ctx_st, Free>{SSL_CTX_new(static_cast<const SSL_METHOD*>(method))}};
  if (made.get() == nullptr) return Error{Code::Unavailable, "no TLS"};
  (void)SSL_CTX_set_min_proto_version(made.get(), TLS1_2_VERSION);
  (void)SSL_CTX_set_options(made.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  (void)SSL_CTX_set_mode(made.get(),
                         SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  return made;
}

Result<TlsContext> TlsContext::server(const Files& files) {
  COFFER_TRY(auto made, make(TLS_server_method()));
  if (SSL_CTX_use_certificate_chain_file(made.get(), files.certificate.c_str()) != 1) {
    return bad_file("certificate", files.certificate);
  }
  if (SSL_CTX_use_PrivateKey_file(made.get(), files.key.c_str(), SSL_FILETYPE_PEM) != 1 ||
      SSL_CTX_check_private_key(made.get()) != 1) {
    return bad_file("private key", files.key);
  }
  return made;
}

Result<TlsContext> TlsContext::client(const std::string& ca_file) {
  COFFER_TRY(auto made, make(TLS_client_method()));
  SSL_CTX_set_verify(made.get(), SSL_VERIFY_PEER, nullptr);
  (void)SSL_CTX_set_default_verify_paths(made.get());
  if (!ca_file.empty() &&
      SSL_CTX_load_verify_locations(made.get(), ca_file.c_str(), nullptr) != 1) {
    return bad_file("authority file", ca_file);
  }
  return made;
}

std::unique_ptr<Transport> plain_transport(UniqueFd fd) {
  return std::make_unique<Plain>(std::move(fd));
}

Result<std::unique_ptr<Transport>> tls_accepting(UniqueFd fd, const TlsContext& context) {
  return wrap(std::move(fd), context, nullptr);
}

Result<std::unique_ptr<Transport>> tls_connecting(UniqueFd fd, const TlsContext& context,
                                                  const std::string& host) {
  return wrap(std::move(fd), context, &host);
}

}  // namespace coffer::net::detail
