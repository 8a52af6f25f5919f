#include "proxy/admin_server.h"

#include <pthread.h>

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <system_error>
#include <thread>
#include <unordered_set>

#include "protocol/text.h"
#include "proxy/options.h"

namespace pgparity::proxy {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::system::error_code;
using protocol::StrCat;
using tcp = boost::asio::ip::tcp;

constexpr size_t kMaxConnections = 16;
constexpr uint32_t kHeaderLimit = 8 << 10;
constexpr uint64_t kBodyLimit = 64 << 10;
constexpr std::chrono::seconds kTimeout(10), kAcceptPause(1);
constexpr uint32_t kMaxDrains = 8;

std::string AddressText(const tcp::endpoint& endpoint) {
  asio::ip::address address = endpoint.address();
  if (address.is_v6() && address.to_v6().is_v4_mapped()) {
    address = asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6());
  }
  return address.to_string();
}

std::string_view View(beast::string_view text) { return {text.data(), text.size()}; }

}  // namespace

struct AdminServer::Impl {
  class Connection;

  Impl(AdminPolicy policy_in, AdminHandlers handlers_in)
      : policy(std::move(policy_in)), handlers(std::move(handlers_in)), acceptor(io), pause(io) {
    if (!handlers.drain) return;
    // The other connections stay free for health checks.
    handlers.drain = [this, drain = std::move(handlers.drain)](absl::Duration timeout) {
      absl::Status status = absl::UnavailableError("too many drains at a time");
      if (++drains <= kMaxDrains) status = drain(timeout);
      --drains;
      return status;
    };
  }

  void Accept();
  void OnAccept(error_code error, tcp::socket socket);
  void OnConnectionEnd(Connection* connection);
  void Close();

  const AdminPolicy policy;
  AdminHandlers handlers;
  uint16_t port = 0;
  std::atomic<uint32_t> drains{0};
  asio::io_context io{1};
  // These belong to the thread of `io`.
  tcp::acceptor acceptor;
  asio::steady_timer pause;
  std::unordered_set<Connection*> connections;
  bool accepting = false, stopping = false;
  std::thread thread;
};

// One request and its answer.
class AdminServer::Impl::Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(Impl* server, tcp::socket socket) : server_(server), stream_(std::move(socket)) {}
  ~Connection() { server_->OnConnectionEnd(this); }

  void Read() {
    parser_.header_limit(kHeaderLimit);
    parser_.body_limit(kBodyLimit);
    stream_.expires_after(kTimeout);
    http::async_read(
        stream_, buffer_, parser_,
        [self = shared_from_this()](error_code error, size_t) { self->OnRead(error); });
  }

  void Cancel() {
    error_code ignored;
    stream_.socket().close(ignored);
  }

 private:
  void OnRead(error_code error) {
    if (error == http::error::header_limit) return Write(AdminError(431, "the header is too long"));
    if (error == http::error::body_limit) return Write(AdminError(413, "the body is too long"));
    if (error && error.category() == make_error_code(http::error::bad_method).category() &&
        error != http::error::end_of_stream) {
      return Write(AdminError(400, "this is no HTTP request"));
    }
    if (error) return;
    AdminRequest request = Request();
    if (IsHealthCheck(request.target)) return Write(Answer(request));
    AnswerAside(std::move(request));
  }

  AdminRequest Request() {
    const auto& message = parser_.get();
    AdminRequest request;
    request.method = std::string(View(message.method_string()));
    request.target = std::string(View(message.target()));
    const auto [first, last] = message.equal_range(http::field::host);
    for (auto field = first; field != last; ++field) {
      request.hosts.emplace_back(View(field->value()));
    }
    request.content_type = std::string(View(message[http::field::content_type]));
    request.authorization = std::string(View(message[http::field::authorization]));
    error_code ignored;
    request.local_address = AddressText(stream_.socket().local_endpoint(ignored));
    return request;
  }

  AdminResponse Answer(const AdminRequest& request) const {
    try {
      return AnswerAdmin(request, server_->policy, server_->handlers);
    } catch (const std::exception&) {
      return AdminError(500, "internal error");
    }
  }

  // On a thread of its own, which ends before this connection does.
  void AnswerAside(AdminRequest request) {
    auto answer = [self = shared_from_this(), request = std::move(request),
                   work = asio::make_work_guard(server_->io)]() mutable {
      pthread_setname_np(pthread_self(), "admin/request");
      AdminResponse response = self->Answer(request);
      // The connection moves along, so that its last owner is on the server's thread.
      asio::post(work.get_executor(),
                 [self = std::move(self), response = std::move(response)]() mutable {
                   self->worker_.join();
                   self->Write(std::move(response));
                 });
    };
    try {
      worker_ = std::thread(std::move(answer));
    } catch (const std::system_error&) {
      Write(AdminError(503, "no thread can be started"));
    }
  }

  void Write(AdminResponse response) {
    response_.version(11);
    response_.result(static_cast<unsigned>(response.status));
    response_.set(http::field::content_type, response.content_type);
    response_.set(http::field::cache_control, "no-store");
    response_.set("X-Content-Type-Options", "nosniff");
    if (response.status == 401) response_.set(http::field::www_authenticate, "Bearer");
    if (!response.allow.empty()) response_.set(http::field::allow, response.allow);
    response_.keep_alive(false);
    const size_t length = response.body.size();
    if (parser_.is_header_done() && parser_.get().method() == http::verb::head)
      response.body.clear();
    response_.body() = std::move(response.body);
    response_.content_length(length);
    stream_.expires_after(kTimeout);
    http::async_write(stream_, response_, [self = shared_from_this()](error_code, size_t) {
      error_code ignored;
      self->stream_.socket().shutdown(tcp::socket::shutdown_send, ignored);
    });
  }

  Impl* server_;
  beast::tcp_stream stream_;
  beast::flat_buffer buffer_{kHeaderLimit + kBodyLimit};
  http::request_parser<http::string_body> parser_;
  http::response<http::string_body> response_;
  std::thread worker_;
};

void AdminServer::Impl::Accept() {
  if (accepting || stopping || connections.size() >= kMaxConnections) return;
  accepting = true;
  acceptor.async_accept([this](error_code error, tcp::socket socket) {
    accepting = false;
    OnAccept(error, std::move(socket));
  });
}

void AdminServer::Impl::OnAccept(error_code error, tcp::socket socket) {
  if (stopping) return;
  if (error) {
    // Out of descriptors, mostly: trying again at once would spin.
    pause.expires_after(kAcceptPause);
    pause.async_wait([this](error_code cancelled) {
      if (!cancelled) Accept();
    });
    return;
  }
  auto connection = std::make_shared<Connection>(this, std::move(socket));
  connections.insert(connection.get());
  connection->Read();
  Accept();
}

void AdminServer::Impl::OnConnectionEnd(Connection* connection) {
  connections.erase(connection);
  Accept();
}

void AdminServer::Impl::Close() {
  stopping = true;
  error_code ignored;
  acceptor.close(ignored);
  pause.cancel();
  for (Connection* connection : connections) connection->Cancel();
}

absl::StatusOr<std::unique_ptr<AdminServer>> AdminServer::Start(const std::string& address,
                                                                const std::string& token,
                                                                AdminHandlers handlers) {
  const auto endpoint = ParseEndpoint(address);
  if (!endpoint.ok()) return endpoint.status();
  const auto cannot = [&](const error_code& error) {
    return absl::UnavailableError(
        StrCat("cannot listen on the admin address ", address, ": ", error.message()));
  };
  error_code error;
  asio::io_context resolving;
  tcp::resolver resolver(resolving);
  const auto found = resolver.resolve(endpoint->host, std::to_string(endpoint->port),
                                      tcp::resolver::numeric_service, error);
  if (error) return cannot(error);
  const tcp::endpoint local = found.begin()->endpoint();
  const bool loopback = local.address().is_loopback();
  if (!loopback && token.empty()) {
    return absl::InvalidArgumentError(
        StrCat("the admin address ", address,
               " is not on loopback: give an --admin-token, or listen on 127.0.0.1"));
  }
  auto impl =
      std::make_unique<Impl>(AdminPolicy(loopback, endpoint->host, token), std::move(handlers));
  impl->acceptor.open(local.protocol(), error);
  if (!error) impl->acceptor.set_option(asio::socket_base::reuse_address(true), error);
  if (!error) impl->acceptor.bind(local, error);
  if (!error) impl->acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) return cannot(error);
  impl->port = impl->acceptor.local_endpoint(error).port();
  impl->thread = std::thread([impl = impl.get()] {
    pthread_setname_np(pthread_self(), "admin");
    impl->Accept();
    impl->io.run();
  });
  return std::unique_ptr<AdminServer>(new AdminServer(std::move(impl)));
}

AdminServer::AdminServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

AdminServer::~AdminServer() { Stop(); }

uint16_t AdminServer::port() const { return impl_->port; }

void AdminServer::Stop() {
  if (!impl_->thread.joinable()) return;
  asio::post(impl_->io, [impl = impl_.get()] { impl->Close(); });
  impl_->thread.join();
}

}  // namespace pgparity::proxy
