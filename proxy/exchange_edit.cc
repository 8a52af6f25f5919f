#include "proxy/exchange_edit.h"

#include <utility>

#include "proxy/token.h"

namespace pgparity::proxy {
namespace {

// Replies beyond this are passed as they come; none that an edit must read whole is longer.
constexpr size_t kMaxReply = 64 << 10;
// Buffers that grew larger than this are given back.
constexpr size_t kCapacity = 4096;

}  // namespace

void EditedStream::Begin(Stamp stamp) {
  buffer_->clear();
  stamp_ = stamp;
  run_ = last_ = {};
}

void EditedStream::Add(std::string_view bytes) {
  if (bytes.empty()) return;
  if (!last_.empty() && last_.data() + last_.size() == bytes.data()) {
    last_ = {last_.data(), last_.size() + bytes.size()};
    return;
  }
  buffer_->append(last_);
  last_ = bytes;
}

void EditedStream::Flush() {
  if (run_.empty()) return;
  const Relay::Step step = (relay_->*way_)(run_, stamp_);
  bad_ = bad_ || step.next == Relay::Next::bad_frame;
  Add(run_.substr(0, step.forward));
  run_ = {};
}

void EditedStream::Insert(std::string_view bytes) {
  Flush();
  buffer_->append(last_);
  last_ = {};
  buffer_->append(bytes);
}

void EditedStream::Replace(std::string_view seen, std::string_view sent) {
  Flush();
  const Relay::Step step = (relay_->*way_)(seen, stamp_);
  bad_ = bad_ || step.next == Relay::Next::bad_frame;
  Insert(sent);
}

void EditedStream::Pass(std::string_view bytes, bool kept) {
  if (kept) {
    Flush();
    const Relay::Step step = (relay_->*way_)(bytes, stamp_);
    bad_ = bad_ || step.next == Relay::Next::bad_frame;
    return Insert(bytes.substr(0, step.forward));
  }
  if (!run_.empty() && run_.data() + run_.size() == bytes.data()) {
    run_ = {run_.data(), run_.size() + bytes.size()};
    return;
  }
  Flush();
  run_ = bytes;
}

std::string_view EditedStream::End() {
  Flush();
  if (buffer_->empty()) return last_;
  buffer_->append(last_);
  return *buffer_;
}

ExchangeEdit::ExchangeEdit(Relay* relay, Tap* tap, TapSession* session, EditContext* context)
    : relay_(relay),
      tap_(tap),
      session_(session),
      context_(context),
      client_(context->max_text + 64, context->max_frame),
      server_(kMaxReply, context->max_frame),
      to_primary_(relay, &Relay::FromClient, &context->to_primary),
      to_client_(relay, &Relay::FromServer, &context->to_client) {}

ExchangeEdit::~ExchangeEdit() {
  if (wait_ == Wait::row) has_row_ = context_->hold->rows()->GiveUp(row_, session_->id);
  ReleaseRow();
}

bool ExchangeEdit::Idle() const {
  return wait_ == Wait::nothing && backlog_.empty() && client_.AtBoundary() &&
         server_.AtBoundary() && !expected_.pending();
}

void ExchangeEdit::BeginOutput(Stamp stamp) {
  stamp_ = stamp;
  if (resumed_.capacity() > kCapacity) std::string().swap(resumed_);
  to_primary_.Begin(stamp);
  to_client_.Begin(stamp);
}

ExchangeEdit::Output ExchangeEdit::EndOutput() {
  Output output;
  output.to_primary = to_primary_.End();
  output.to_client = to_client_.End();
  if (to_primary_.bad() || to_client_.bad()) output.next = Relay::Next::bad_frame;
  output.waits_for_row = wait_ == Wait::row && waits_since_ == stamp_;
  return output;
}

void ExchangeEdit::SetParameter(std::string_view name, std::string_view value) {
  if (name == "client_encoding") utf8_ = value == "UTF8";
  if (name == "standard_conforming_strings") standard_strings_ = value == "on";
}

void ExchangeEdit::SetParameters(const std::map<std::string, std::string>& parameters) {
  for (const auto& [name, value] : parameters) SetParameter(name, value);
}

ExchangeEdit::Output ExchangeEdit::LoggedIn(std::string_view ahead, Stamp stamp) {
  BeginOutput(stamp);
  LookAtOffer();
  if (probe_due_) {
    backlog_.assign(ahead);
    StartProbe();
  } else {
    resumed_.assign(ahead);
    Client(resumed_);
  }
  return EndOutput();
}

void ExchangeEdit::LookAtOffer() {
  const uint32_t round = context_->offer->round();
  if (round == offered_) return;
  offered_ = round;
  statement_ = Statement::absent;
  probe_due_ = round != 0;
  probes_ = 0;
}

void ExchangeEdit::StartProbe() {
  probe_due_ = probe_answered_ = false;
  to_primary_.Insert(TokenProbeMessages());
  answering_ = Answering::probe;
  wait_ = Wait::probe;
}

ExchangeEdit::Output ExchangeEdit::FromClient(std::string_view piece, Stamp stamp) {
  BeginOutput(stamp);
  if (wait_ == Wait::nothing) {
    Client(piece);
  } else {
    backlog_.append(piece);
  }
  return EndOutput();
}

ExchangeEdit::Output ExchangeEdit::FromServer(std::string_view piece, Stamp stamp) {
  BeginOutput(stamp);
  server_.Give(piece);
  while (!to_client_.bad()) {
    const bool rows_whole = expected_.pending() || answering_ != Answering::client;
    const FrameCutter::Cut cut = server_.Next(rows_whole);
    if (cut.kind == FrameCutter::Cut::Kind::none) break;
    ServerFrame(cut);
  }
  if (wait_ == Wait::nothing && !backlog_.empty()) Resume();
  return EndOutput();
}

void ExchangeEdit::Resume() {
  to_client_.Flush();
  resumed_.clear();
  std::swap(resumed_, backlog_);
  Client(resumed_);
}

}  // namespace pgparity::proxy
