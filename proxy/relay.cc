#include "proxy/relay.h"

#include <algorithm>

namespace pgparity::proxy {
namespace {

using Walker = protocol::HeaderWalker;

// Messages that the server may put anywhere, and that end no row stream.
bool IsAsynchronous(char tag) { return tag == 'N' || tag == 'S' || tag == 'A'; }

}  // namespace

Relay::Relay(Limits limits, Tap* tap, TapSession* session)
    : tap_(tap),
      session_(session),
      client_(limits.max_frame),
      server_(limits.max_frame),
      rows_(limits.row_bytes) {}

Relay::Step Relay::FromClient(std::string_view piece, Stamp stamp) {
  Step step{piece.size(), Next::go_on};
  size_t at = 0;
  while (true) {
    const Walker::Step found = client_.Next(piece, &at);
    if (found == Walker::Step::piece_end) break;
    if (found == Walker::Step::bad_length) {
      step = {at, Next::bad_frame};
      break;
    }
    exchange_.ClientTag(client_.header().tag);
  }
  if (tap_ != nullptr && step.forward != 0) {
    tap_->Client(session_, piece.substr(0, step.forward), stamp);
  }
  return step;
}

Relay::Step Relay::FromServer(std::string_view piece, Stamp stamp) {
  Walk walk{piece, stamp};
  if (rows_.in_row()) {
    const size_t part = std::min<uint64_t>(server_.body_left(), piece.size());
    rows_.Skip(piece.substr(0, part), part == server_.body_left());
    walk.recorded = part;
  }
  if (status_next_ && !piece.empty()) ReadyForQuery(&walk);
  while (true) {
    const Walker::Step found = server_.Next(piece, &walk.at);
    if (found == Walker::Step::piece_end) break;
    if (found == Walker::Step::bad_length) {
      between_frames_ = server_.header().held == 0;
      RecordUpTo(&walk, walk.at);
      return {walk.at, Next::bad_frame};
    }
    ServerFrame(&walk);
  }
  // A header that is not whole yet: whether it is recorded is decided when it is.
  const size_t partial = std::min(server_.partial(), piece.size());
  RecordUpTo(&walk, piece.size() - partial);
  return {piece.size(), Next::go_on};
}

void Relay::ServerFrame(Walk* walk) {
  const Walker::Header& header = server_.header();
  switch (header.tag) {
    case 'D':
    case 'd':
      Row(walk);
      return;
    case 'Z':
      SayElided(walk);
      RecordFrame(walk);
      rows_.Reset();
      status_next_ = header.body != 0;
      if (status_next_ && walk->at < walk->piece.size()) ReadyForQuery(walk);
      return;
    default:
      if (!IsAsynchronous(header.tag)) {
        SayElided(walk);
        rows_.Reset();
        exchange_.ServerTag(header.tag);
      }
      RecordFrame(walk);
      return;
  }
}

void Relay::Row(Walk* walk) {
  const Walker::Header& header = server_.header();
  if (!recording()) return;
  if (rows_.Take(header.wire_length())) {
    RecordFrame(walk);
    return;
  }
  const size_t in_piece = Walker::kHeader - header.held;
  RecordUpTo(walk, walk->at - in_piece);
  const size_t part = std::min<uint64_t>(header.body, walk->piece.size() - walk->at);
  rows_.Skip(walk->piece.substr(walk->at, part), part == header.body);
  walk->recorded = walk->at + part;
}

void Relay::RecordFrame(Walk* walk) {
  const Walker::Header& header = server_.header();
  // Bytes of the header that came in earlier pieces have waited for this; nothing else of this
  // piece lies before it.
  if (header.held != 0 && recording()) tap_->Server(session_, header.held_bytes(), walk->stamp);
}

void Relay::RecordUpTo(Walk* walk, size_t end) {
  if (end <= walk->recorded) return;
  if (tap_ != nullptr) {
    tap_->Server(session_, walk->piece.substr(walk->recorded, end - walk->recorded), walk->stamp);
  }
  walk->recorded = end;
}

void Relay::SayElided(Walk* walk) {
  if (!rows_.has_digest()) return;
  const size_t in_piece = Walker::kHeader - server_.header().held;
  RecordUpTo(walk, walk->at - in_piece);
  if (recording()) tap_->Elided(session_, rows_.digest(), walk->stamp);
}

void Relay::ReadyForQuery(Walk* walk) {
  status_next_ = false;
  exchange_.Ready(walk->piece[walk->at]);
  if (tap_ == nullptr || session_->state == CaptureState::on) return;
  // A lost session is taken up again behind a ReadyForQuery that leaves nothing in flight.
  if (!exchange_.Idle() || !client_.AtBoundary() || server_.body_left() != 1) return;
  const size_t end = walk->at + 1;
  if (!tap_->Resume(session_, walk->stamp)) return;
  walk->recorded = end;
  rows_.Reset();
}

}  // namespace pgparity::proxy
