// An ExchangeEdit with the relay and the tap behind it; the test plays client and server.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "protocol/wire.h"
#include "proxy/exchange_edit.h"
#include "proxy/token.h"

namespace pgparity::proxy {

// Messages of either side.
namespace message {

inline std::string Of(char tag, std::string_view body = {}) {
  std::string message;
  protocol::AppendMessage(&message, tag, body);
  return message;
}
inline std::string Text(std::string_view text) { return std::string(text) + '\0'; }

inline std::string Query(std::string_view sql) { return Of('Q', Text(sql)); }
inline std::string Parse(std::string_view name, std::string_view sql) {
  return Of('P', Text(name) + Text(sql) + std::string(2, '\0'));
}
inline std::string Bind(std::string_view portal = "", std::string_view statement = "",
                        std::string_view rest = std::string_view("\0\0\0\0\0\0", 6)) {
  return Of('B', Text(portal) + Text(statement) + std::string(rest));
}
inline std::string Execute(std::string_view portal = "", int32_t rows = 0) {
  std::string body = Text(portal);
  protocol::WireWriter(&body).Int32(rows);
  return Of('E', body);
}
inline std::string Describe() { return Of('D', std::string("P\0", 2)); }
inline std::string CloseStatement(std::string_view name) { return Of('C', "S" + Text(name)); }
inline std::string Sync() { return Of('S'); }
// Parse, Bind, Execute of the unnamed ones.
inline std::string Do(std::string_view sql) { return Parse("", sql) + Bind() + Execute(); }

inline std::string ParseComplete() { return Of('1'); }
inline std::string BindComplete() { return Of('2'); }
inline std::string CloseComplete() { return Of('3'); }
inline std::string Row(std::string_view value = "v") {
  std::string body;
  protocol::WireWriter(&body).Int16(1).Int32(static_cast<int32_t>(value.size())).Bytes(value);
  return Of('D', body);
}
inline std::string Complete(std::string_view tag) { return Of('C', Text(tag)); }
inline std::string Ready(char status = 'I') { return Of('Z', std::string_view(&status, 1)); }
inline std::string Ran(std::string_view tag) {
  return ParseComplete() + BindComplete() + Complete(tag);
}
inline std::string Error(std::string_view sqlstate, std::string_view text, size_t position = 0) {
  std::string body = "SERROR" + std::string(1, '\0') + "VERROR" + std::string(1, '\0');
  body += "C" + Text(sqlstate) + "M" + Text(text);
  if (position != 0) body += "P" + Text(std::to_string(position));
  return Of('E', body + '\0');
}
inline std::string Notice(std::string_view text) { return Of('N', "M" + Text(text) + '\0'); }
inline std::string Parameter(std::string_view name, std::string_view value) {
  return Of('S', Text(name) + Text(value));
}

// What the token answers: LSN 1/2, xid 77, now 16.
inline std::string TokenRow(const std::optional<std::string>& snapshot = std::nullopt) {
  std::string body;
  protocol::WireWriter writer(&body);
  writer.Int16(4).Int32(3).Bytes("1/2").Int32(2).Bytes("77");
  writer.Int32(16).Bytes("0000000000000010");
  if (snapshot) {
    writer.Int32(static_cast<int32_t>(snapshot->size())).Bytes(*snapshot);
  } else {
    writer.Int32(-1);
  }
  return Of('D', body);
}
inline std::string TokenBound() { return BindComplete() + TokenRow() + Complete("SELECT 1"); }
inline std::string TokenQueried() {
  return Of('T', "four columns") + TokenRow() + Complete("SELECT 1");
}
inline std::string Probed() { return CloseComplete() + ParseComplete() + TokenBound() + Ready(); }

}  // namespace message

class EditTest : public testing::Test {
 protected:
  EditTest() {
    session_.id = 1;
    context_.offer = &offer_;
    tap_.Opened(&session_, "info", false, 1);
    Drain();
    events_.clear();
    offer_.Set(true);
    edit_.SetParameters({{"client_encoding", "UTF8"}, {"standard_conforming_strings", "on"}});
  }

  // Logged in, and probed.
  void Begin() {
    Take(edit_.LoggedIn("", ++stamp_));
    EXPECT_EQ(TakePrimary(), TokenProbeMessages());
    Server(message::Probed());
    EXPECT_EQ(TakeClient(), "");
    EXPECT_TRUE(edit_.takes_client());
    EXPECT_TRUE(edit_.Idle());
    events_.clear();
  }

  // Pieces go in as allocations of their own size; cut_ decides how large they are.
  void Client(std::string_view bytes) { Give(bytes, true); }
  void Server(std::string_view bytes) { Give(bytes, false); }
  // What was sent to that side since the last call.
  std::string TakePrimary() { return std::exchange(primary_, {}); }
  std::string TakeClient() { return std::exchange(client_, {}); }

  // The client sends, the primary gets; the server answers, the client gets.
  void Exchange(std::string_view sent, std::string_view got) {
    Client(sent);
    EXPECT_EQ(TakePrimary(), got);
  }
  void Answer(std::string_view sent, std::string_view got) {
    Server(sent);
    EXPECT_EQ(TakeClient(), got);
  }

  // What was recorded, in its order: "client", "server", "token-sent", "token 4294967298 77 16",
  // with neighbouring bytes of one side joined.
  std::string Events() {
    Drain();
    std::string text;
    for (const auto& [kind, bytes] : events_) text += (text.empty() ? "" : " ") + kind;
    return text;
  }
  std::string Recorded(std::string_view kind) {
    Drain();
    std::string all;
    for (const auto& [event, bytes] : events_) {
      if (event == kind) all += bytes;
    }
    return all;
  }
  uint64_t Sent() const { return context_.counters.sent.value(); }
  uint64_t Seen() const { return context_.counters.seen.value(); }
  uint64_t LeftOut(TokenLeftOut why) const {
    return context_.counters.left_out[static_cast<size_t>(why)].value();
  }

  void Take(const ExchangeEdit::Output& output) {
    primary_ += output.to_primary;
    client_ += output.to_client;
    last_ = output.next;
  }

  std::unique_ptr<Ring> ring_ = *Ring::Anonymous(8 << 20);
  CaptureSwitch switch_;
  CaptureWaker waker_;
  Tap tap_{ring_.get(), &switch_, &waker_};
  TapSession session_;
  Relay relay_{{1 << 20, 1 << 20}, &tap_, &session_};
  TokenOffer offer_;
  EditContext context_;
  ExchangeEdit edit_{&relay_, &tap_, &session_, &context_};
  std::mt19937* cut_ = nullptr;  // pieces of random sizes; null: whole
  Relay::Next last_ = Relay::Next::go_on;
  std::vector<std::pair<std::string, std::string>> events_;

 private:
  void Give(std::string_view bytes, bool from_client) {
    do {
      const size_t most = cut_ != nullptr ? 1 + (*cut_)() % 12 : bytes.size();
      const std::string_view piece = bytes.substr(0, most);
      bytes.remove_prefix(piece.size());
      const auto owned = std::make_unique<char[]>(piece.size());
      piece.copy(owned.get(), piece.size());
      const std::string_view view(owned.get(), piece.size());
      Take(from_client ? edit_.FromClient(view, ++stamp_) : edit_.FromServer(view, ++stamp_));
    } while (!bytes.empty());
  }
  void Note(std::string kind, std::string_view bytes) {
    const bool stream = kind == "client" || kind == "server";
    if (stream && !events_.empty() && events_.back().first == kind) {
      events_.back().second += bytes;
    } else {
      events_.emplace_back(std::move(kind), bytes);
    }
  }
  void Drain() {
    while (const auto record = ring_->Next(ring_->Head())) {
      switch (record->kind) {
        case RecordKind::client_bytes:
          Note("client", record->payload);
          break;
        case RecordKind::server_bytes:
          Note("server", record->payload);
          break;
        case RecordKind::token_sent:
          Note("token-sent", {});
          break;
        case RecordKind::token_seen: {
          const shadow::LsnToken token = DecodeToken(record->payload);
          Note("token " + std::to_string(token.lsn) + " " + std::to_string(token.xid) + " " +
                   std::to_string(token.now_us) + token.snapshot,
               {});
          break;
        }
        default:
          Note("other", {});
          break;
      }
      ring_->Release(*record);
    }
  }

  Stamp stamp_ = 1;
  std::string primary_, client_;
};

}  // namespace pgparity::proxy
