// Edits of exchanges: any bytes from both sides, in any pieces. The client's bytes are recorded as
// they were sent; what goes to the client is what is recorded of the server; nothing aborts.
// Input: pieces, each behind a byte whose lowest bit is its side (1: the server) and whose others
// are its length.
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include "proxy/exchange_edit.h"
#include "proxy/token.h"

namespace {

using namespace pgparity::proxy;  // NOLINT: a test of one class

struct Play {
  Play() {
    context.offer = &offer;
    context.max_text = 200;
    context.max_frame = 1 << 16;
    offer.Set(true);
    session.id = 1;
    tap.Opened(&session, "info", false, 1);
    edit.SetParameters({{"client_encoding", "UTF8"}, {"standard_conforming_strings", "on"}});
  }
  void Take(const ExchangeEdit::Output& output) {
    to_client += output.to_client;
    over = over || output.next == Relay::Next::bad_frame;
  }
  void Drain() {
    while (const auto record = ring->Next(ring->Head())) {
      if (record->kind == RecordKind::client_bytes) seen_client += record->payload;
      if (record->kind == RecordKind::server_bytes) seen_server += record->payload;
      if (record->kind == RecordKind::token_seen) DecodeToken(record->payload);
      ring->Release(*record);
    }
  }

  std::unique_ptr<Ring> ring = *Ring::Anonymous(1 << 18);
  CaptureSwitch capture;
  CaptureWaker waker;
  Tap tap{ring.get(), &capture, &waker};
  TapSession session;
  Relay relay{{1 << 16, 1 << 20}, &tap, &session};
  TokenOffer offer;
  EditContext context;
  ExchangeEdit edit{&relay, &tap, &session, &context};
  std::string sent, to_client, seen_client, seen_server;
  bool over = false;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  Play play;
  play.Take(play.edit.LoggedIn("", 2));
  Stamp stamp = 2;
  while (!rest.empty() && !play.over) {
    const auto head = static_cast<uint8_t>(rest[0]);
    rest.remove_prefix(1);
    const std::string_view piece = rest.substr(0, head >> 1);
    rest.remove_prefix(piece.size());
    if ((head & 1) == 0) play.sent += piece;
    play.Take((head & 1) != 0 ? play.edit.FromServer(piece, ++stamp)
                              : play.edit.FromClient(piece, ++stamp));
    play.Drain();
  }
  if (!std::string_view(play.sent).starts_with(play.seen_client)) std::abort();
  if (!play.over && play.to_client != play.seen_server) std::abort();
  return 0;
}
