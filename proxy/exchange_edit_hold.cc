// Ordering `hold`: a whole exchange of one single-row autocommit write waits while another such
// write on the same row is in flight.
#include <xxhash.h>

#include "protocol/wire.h"
#include "proxy/exchange_edit.h"

namespace pgparity::proxy {
namespace {

struct Frame {
  char tag;
  std::string_view body;
};

// The frame at the head of `*rest`, which is taken off; nullopt when it is not whole.
std::optional<Frame> TakeFrame(std::string_view* rest) {
  if (rest->size() < FrameCutter::kHeader) return std::nullopt;
  const uint32_t length = protocol::WireReader(rest->substr(1, 4)).ReadUint32();
  if (length < 4 || rest->size() - 1 < length) return std::nullopt;
  const Frame frame{(*rest)[0], rest->substr(FrameCutter::kHeader, length - 4)};
  rest->remove_prefix(size_t{1} + length);
  return frame;
}

}  // namespace

// The same on every thread.
void ExchangeEdit::SetDatabase(std::string_view name) {
  database_ = XXH3_64bits(name.data(), name.size());
}

// Before the first message of an exchange: whether it has to wait, and is kept back with all that
// follows.
bool ExchangeEdit::WaitsForRow() {
  if (exchange_.open || !client_.AtBoundary() || client_.rest().empty()) return false;
  if (row_decided_) return row_decided_ = false;
  to_primary_.Flush();
  if (!relay_->exchange().Idle() || !recording()) return false;
  const std::optional<uint64_t> row = RowAhead(client_.rest());
  if (!row) return false;
  row_ = *row;
  if (context_->hold->rows()->Take(row_, session_->id, &context_->hold->grant())) {
    has_row_ = true;
    context_->hold->counters.at_once.Add();
    return false;
  }
  context_->hold->counters.waited.Add();
  wait_ = Wait::row;
  waits_since_ = stamp_;
  return true;
}

// The row that the exchange at the head of `rest` writes, where it is one that is held.
std::optional<uint64_t> ExchangeEdit::RowAhead(std::string_view rest) {
  uint64_t parsed_name = 0, fingerprint = 0;
  bool parsed = false, executed = false;
  std::optional<std::string_view> bind;
  while (const std::optional<Frame> frame = TakeFrame(&rest)) {
    protocol::WireReader body(frame->body);
    switch (frame->tag) {
      case 'Q':
        if (parsed || bind) return std::nullopt;
        return RowOfQueryAhead(frame->body);
      case 'P': {
        if (parsed || bind) return std::nullopt;
        parsed = true;
        parsed_name = NameHash(body.ReadCString());
        const std::string_view text = body.ReadCString();
        const std::optional<TextShape> shape = ShapeOf(text);
        if (!shape) return std::nullopt;
        fingerprint = shape->fingerprint;
        ShapeAhead(fingerprint, text);
        break;
      }
      case 'B': {
        if (bind) return std::nullopt;
        bind = frame->body;
        body.ReadCString();
        const uint64_t name = NameHash(body.ReadCString());
        if (!parsed || name != parsed_name) fingerprint = names_.Fingerprint(name);
        break;
      }
      case 'D':
        break;
      case 'E':
        if (executed || !bind) return std::nullopt;
        executed = true;
        break;
      case 'S': {
        if (!executed) return std::nullopt;
        const HoldShape* shape = context_->hold->Find(fingerprint);
        if (shape == nullptr || shape->count == 0) return std::nullopt;
        return RowOfBind(*shape, *bind, database_);
      }
      default:
        return std::nullopt;
    }
  }
  return std::nullopt;
}

const HoldShape* ExchangeEdit::ShapeAhead(uint64_t fingerprint, std::string_view text) {
  const HoldShape* shape = context_->hold->Find(fingerprint, text);
  if (shape == nullptr && context_->classes.Class(text) == StatementClass::write) {
    context_->hold->counters.unknown.Add();
  }
  return shape;
}

std::optional<uint64_t> ExchangeEdit::RowOfQueryAhead(std::string_view body) {
  protocol::WireReader reader(body);
  const std::string_view sql = reader.ReadCString();
  if (!reader.AtEnd() || sql.size() > context_->max_text || !QueryIsCertain(sql)) {
    return std::nullopt;
  }
  const std::optional<TextShape> text = ShapeOf(sql);
  if (!text) return std::nullopt;
  const HoldShape* shape = ShapeAhead(text->fingerprint, sql);
  if (shape == nullptr || shape->count == 0) return std::nullopt;
  return RowOfQuery(*shape, *text, database_);
}

// Some earlier wait's word may come late.
ExchangeEdit::Output ExchangeEdit::RowGranted(Stamp stamp) {
  if (wait_ != Wait::row || !context_->hold->rows()->Has(row_, session_->id)) return {};
  return RowOver(true, stamp);
}

ExchangeEdit::Output ExchangeEdit::RowTimeout(Stamp stamp) {
  if (wait_ != Wait::row) return {};
  return RowOver(context_->hold->rows()->GiveUp(row_, session_->id), stamp);
}

ExchangeEdit::Output ExchangeEdit::RowOver(bool has_row, Stamp stamp) {
  BeginOutput(stamp);
  HoldCounters& counters = context_->hold->counters;
  has_row_ = has_row;
  if (!has_row) counters.timed_out.Add();
  counters.wait_ns.Add(stamp - waits_since_);
  wait_ = Wait::nothing;
  row_decided_ = true;
  Resume();
  return EndOutput();
}

void ExchangeEdit::ReleaseRow() {
  if (!has_row_) return;
  has_row_ = false;
  context_->hold->rows()->Release(row_);
}

}  // namespace pgparity::proxy
