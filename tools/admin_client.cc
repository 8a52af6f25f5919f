#include "tools/admin_client.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>

#include "protocol/text.h"
#include "proxy/options.h"

namespace pgparity::tools {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::system::error_code;
using protocol::StrCat;
using tcp = boost::asio::ip::tcp;

constexpr uint64_t kMaxAnswer = 256 << 20;

// Resolve, connect, write, read; each step starts the next, the first error ends it.
class Exchange {
 public:
  Exchange(http::request<http::string_body> request, std::chrono::milliseconds timeout)
      : request_(std::move(request)), timeout_(timeout) {
    parser_.body_limit(kMaxAnswer);
  }

  // The error that ended it, if any.
  error_code Run(const proxy::Endpoint& endpoint) {
    const auto found = tcp::resolver(io_).resolve(endpoint.host, std::to_string(endpoint.port),
                                                  tcp::resolver::numeric_service, error_);
    if (error_) return error_;
    stream_.expires_after(timeout_);
    stream_.async_connect(found,
                          [this](error_code error, const tcp::endpoint&) { OnConnect(error); });
    io_.run();
    return error_;
  }

  HttpAnswer Answer() {
    return {static_cast<int>(parser_.get().result_int()), std::move(parser_.get().body())};
  }

 private:
  void OnConnect(error_code error) {
    if ((error_ = error)) return;
    http::async_write(stream_, request_, [this](error_code written, size_t) {
      if ((error_ = written)) return;
      http::async_read(stream_, buffer_, parser_,
                       [this](error_code read, size_t) { error_ = read; });
    });
  }

  asio::io_context io_{1};
  beast::tcp_stream stream_{io_};
  http::request<http::string_body> request_;
  std::chrono::milliseconds timeout_;
  beast::flat_buffer buffer_;
  http::response_parser<http::string_body> parser_;
  error_code error_;
};

}  // namespace

absl::StatusOr<HttpAnswer> AskAdmin(const std::string& address, const std::string& token,
                                    const std::string& method, const std::string& target,
                                    absl::Duration timeout) {
  std::string_view plain = address;
  if (plain.starts_with("http://")) plain.remove_prefix(7);
  if (plain.ends_with('/')) plain.remove_suffix(1);
  const auto endpoint = proxy::ParseEndpoint(plain);
  if (!endpoint.ok()) {
    return absl::InvalidArgumentError(StrCat("--admin: ", protocol::MessageOf(endpoint.status())));
  }
  http::request<http::string_body> request;
  request.version(11);
  request.method_string(method);
  request.target(target);
  request.set(http::field::host, endpoint->ToString());
  if (!token.empty()) request.set(http::field::authorization, "Bearer " + token);
  if (method == "POST") {
    request.set(http::field::content_type, "application/json");
    request.body() = "{}";
  }
  request.prepare_payload();
  Exchange exchange(std::move(request), absl::ToChronoMilliseconds(timeout));
  const error_code error = exchange.Run(*endpoint);
  if (error) {
    const std::string why = error == beast::error::timeout ? "no answer in time" : error.message();
    return absl::UnavailableError(
        StrCat("cannot reach ", endpoint->ToString(), ": ", why,
               "; is `pgparity serve` running with this --admin address?"));
  }
  return exchange.Answer();
}

}  // namespace pgparity::tools
