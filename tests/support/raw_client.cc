#include "tests/support/raw_client.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>

#include "protocol/wire.h"

namespace pgparity::support {

using protocol::WireReader;
using protocol::WireWriter;

MessageBuilder& MessageBuilder::Append(char tag, std::string_view body) {
  protocol::AppendMessage(&bytes_, tag, body);
  return *this;
}

namespace {

std::string Strings(std::initializer_list<std::string_view> texts) {
  std::string body;
  for (const std::string_view text : texts) WireWriter(&body).CString(text);
  return body;
}

std::string Named(char kind, std::string_view name) { return kind + Strings({name}); }

}  // namespace

MessageBuilder& MessageBuilder::Query(std::string_view sql) { return Append('Q', Strings({sql})); }

MessageBuilder& MessageBuilder::Parse(std::string_view name, std::string_view sql) {
  std::string body = Strings({name, sql});
  WireWriter(&body).Int16(0);
  return Append('P', body);
}

MessageBuilder& MessageBuilder::Bind(std::string_view portal, std::string_view statement,
                                     const std::vector<std::optional<std::string>>& values) {
  std::string body = Strings({portal, statement});
  WireWriter writer(&body);
  writer.Int16(0).Int16(static_cast<int16_t>(values.size()));
  for (const auto& value : values) {
    if (value.has_value()) {
      writer.Int32(static_cast<int32_t>(value->size())).Bytes(*value);
    } else {
      writer.Int32(-1);
    }
  }
  writer.Int16(0);
  return Append('B', body);
}

MessageBuilder& MessageBuilder::DescribeStatement(std::string_view name) {
  return Append('D', Named('S', name));
}
MessageBuilder& MessageBuilder::DescribePortal(std::string_view name) {
  return Append('D', Named('P', name));
}
MessageBuilder& MessageBuilder::CloseStatement(std::string_view name) {
  return Append('C', Named('S', name));
}
MessageBuilder& MessageBuilder::ClosePortal(std::string_view name) {
  return Append('C', Named('P', name));
}

MessageBuilder& MessageBuilder::Execute(std::string_view portal, int32_t max_rows) {
  std::string body = Strings({portal});
  WireWriter(&body).Int32(max_rows);
  return Append('E', body);
}

MessageBuilder& MessageBuilder::FunctionCall(uint32_t function,
                                             const std::vector<std::string>& text_values) {
  std::string body;
  WireWriter writer(&body);
  writer.Uint32(function).Int16(0).Int16(static_cast<int16_t>(text_values.size()));
  for (const std::string& value : text_values) {
    writer.Int32(static_cast<int32_t>(value.size())).Bytes(value);
  }
  writer.Int16(0);
  return Append('F', body);
}

MessageBuilder& MessageBuilder::CopyData(std::string_view data) { return Append('d', data); }
MessageBuilder& MessageBuilder::CopyDone() { return Append('c', ""); }
MessageBuilder& MessageBuilder::CopyFail(std::string_view reason) {
  return Append('f', Strings({reason}));
}
MessageBuilder& MessageBuilder::Flush() { return Append('H', ""); }
MessageBuilder& MessageBuilder::Sync() { return Append('S', ""); }
MessageBuilder& MessageBuilder::Terminate() { return Append('X', ""); }

RawClient::RawClient(int port) {
  fd_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int one = 1;
  setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
  closed_ = connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0;
}

RawClient::RawClient(int port, const std::string& database, const std::string& user)
    : RawClient(port) {
  Send(StartupPacket(user, database));
  ReadUntil('Z');
}

RawClient::~RawClient() { close(fd_); }

void RawClient::Send(std::string_view bytes) {
  while (!bytes.empty() && !closed_) {
    const ssize_t n = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) {
      closed_ = true;
      return;
    }
    bytes.remove_prefix(static_cast<size_t>(n));
  }
}

bool RawClient::Fill(int limit_ms) {
  pollfd entry{fd_, POLLIN, 0};
  if (poll(&entry, 1, limit_ms) != 1) return false;
  std::array<char, 65536> chunk;
  const ssize_t n = recv(fd_, chunk.data(), chunk.size(), 0);
  if (n <= 0) {
    closed_ = true;
    return false;
  }
  buffer_.append(chunk.data(), static_cast<size_t>(n));
  return true;
}

std::optional<ServerMessage> RawClient::Read(int limit_ms) {
  for (;;) {
    if (buffer_.size() >= 5) {
      const size_t length = WireReader(std::string_view(buffer_).substr(1)).ReadUint32();
      if (buffer_.size() >= length + 1) {
        ServerMessage message{buffer_[0], buffer_.substr(5, length - 4)};
        buffer_.erase(0, length + 1);
        return message;
      }
    }
    if (!Fill(limit_ms)) return std::nullopt;
  }
}

std::vector<ServerMessage> RawClient::ReadUntil(char tag) {
  std::vector<ServerMessage> messages;
  while (auto message = Read()) {
    messages.push_back(std::move(*message));
    if (messages.back().tag == tag) break;
  }
  return messages;
}

std::string RawClient::ReadBytes(size_t count, int limit_ms) {
  while (buffer_.size() < count && Fill(limit_ms)) {
  }
  std::string bytes = buffer_.substr(0, count);
  buffer_.erase(0, bytes.size());
  return bytes;
}

std::string StartupPacket(const std::string& user, const std::string& database) {
  std::string body;
  WireWriter(&body).Int32(0x30000);
  body += Strings({"user", user, "database", database, "application_name", "raw client", ""});
  std::string packet;
  protocol::AppendMessage(&packet, 0, body);
  return packet;
}

std::string ErrorField(const std::string& body, char code) {
  WireReader reader(body);
  while (const char field = static_cast<char>(reader.ReadUint8())) {
    const std::string_view text = reader.ReadCString();
    if (field == code) return std::string(text);
  }
  return "";
}

}  // namespace pgparity::support
