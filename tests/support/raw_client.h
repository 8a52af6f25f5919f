// A client that writes protocol messages of its own making, for what libpq does not send.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pgparity::support {

// Messages of the client, appended to one string: send several with one write, or cut as you like.
class MessageBuilder {
 public:
  MessageBuilder& Query(std::string_view sql);
  MessageBuilder& Parse(std::string_view name, std::string_view sql);
  MessageBuilder& Bind(std::string_view portal, std::string_view statement,
                       const std::vector<std::optional<std::string>>& values = {});
  MessageBuilder& DescribeStatement(std::string_view name);
  MessageBuilder& DescribePortal(std::string_view name);
  MessageBuilder& CloseStatement(std::string_view name);
  MessageBuilder& ClosePortal(std::string_view name);
  MessageBuilder& Execute(std::string_view portal, int32_t max_rows = 0);
  MessageBuilder& FunctionCall(uint32_t function, const std::vector<std::string>& text_values);
  MessageBuilder& CopyData(std::string_view data);
  MessageBuilder& CopyDone();
  MessageBuilder& CopyFail(std::string_view reason);
  MessageBuilder& Flush();
  MessageBuilder& Sync();
  MessageBuilder& Terminate();

  const std::string& bytes() const { return bytes_; }

 private:
  MessageBuilder& Append(char tag, std::string_view body);
  std::string bytes_;
};

struct ServerMessage {
  char tag = 0;
  std::string body;
};

// Logs in as postgres by trust. A broken connection ends in `closed()`; nothing aborts.
class RawClient {
 public:
  RawClient(int port, const std::string& database, const std::string& user = "postgres");
  // Without a login: what is sent first is the caller's.
  explicit RawClient(int port);
  ~RawClient();
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  void Send(std::string_view bytes);
  void Send(const MessageBuilder& messages) { Send(messages.bytes()); }
  // The next message; nullopt when the server has closed, or sent nothing for `limit_ms`.
  std::optional<ServerMessage> Read(int limit_ms = 60000);
  // Everything up to and with the next message of that tag.
  std::vector<ServerMessage> ReadUntil(char tag);
  // Next raw bytes, at most `count`; fewer at the end of the stream.
  std::string ReadBytes(size_t count, int limit_ms = 60000);
  // What was received and not read yet.
  std::string TakeBuffered() { return std::exchange(buffer_, {}); }
  bool closed() const { return closed_; }
  int fd() const { return fd_; }

 private:
  bool Fill(int limit_ms);

  int fd_ = -1;
  bool closed_ = false;
  std::string buffer_;
};

// The first packet of a connection.
std::string StartupPacket(const std::string& user, const std::string& database);

// A field of an ErrorResponse body by its code, such as 'C' for the SQLSTATE.
std::string ErrorField(const std::string& body, char code);

}  // namespace pgparity::support
