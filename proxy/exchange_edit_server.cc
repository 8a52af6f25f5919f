// The server's messages: what a token answered is taken out.
#include <charconv>
#include <optional>

#include "protocol/wire.h"
#include "proxy/exchange_edit.h"
#include "proxy/token.h"

namespace pgparity::proxy {
namespace {

using Cut = FrameCutter::Cut;

// A probe that is answered by an error that refuses nothing is made again so often.
constexpr int kMaxProbes = 3;

bool IsAsynchronous(char tag) { return tag == 'N' || tag == 'S' || tag == 'A'; }

// A field of an ErrorResponse's body; empty when it has none.
std::string_view ErrorField(std::string_view body, char code) {
  protocol::WireReader fields(body);
  while (fields.remaining() > 1) {
    const char field = static_cast<char>(fields.ReadUint8());
    const std::string_view value = fields.ReadCString();
    if (field == code) return value;
  }
  return {};
}

bool EndsSession(std::string_view error) {
  const std::string_view severity = ErrorField(error, 'V');
  return severity == "FATAL" || severity == "PANIC";
}

// What may befall any statement (cancel, shutdown, no memory, serialization): it says nothing of
// the token.
bool IsOfTheMoment(std::string_view error) {
  const std::string_view kind = ErrorField(error, 'C').substr(0, 2);
  return EndsSession(error) || kind == "57" || kind == "53" || kind == "40" || kind == "25";
}

// DEBUG and LOG, for clients that ask for them by client_min_messages: they tell of each message.
bool TellsOfMessages(std::string_view notice) {
  const std::string_view severity = ErrorField(notice, 'V');
  return severity.starts_with("DEBUG") || severity == "LOG";
}

// The parser's only notice: an identifier is too long (name_too_long).
bool IsOfTheParser(std::string_view notice) { return ErrorField(notice, 'C') == "42622"; }

size_t Characters(std::string_view text) {
  size_t count = 0;
  for (const char c : text) count += (static_cast<unsigned char>(c) & 0xC0) != 0x80 ? 1 : 0;
  return count;
}

}  // namespace

void ExchangeEdit::ServerFrame(const Cut& cut) {
  if (cut.kind == Cut::Kind::rest || cut.kind == Cut::Kind::opaque) {
    if (!dropping_) to_client_.Pass(cut.bytes, cut.kept);
    return;
  }
  dropping_ = false;
  if (IsAsynchronous(cut.tag)) {
    if (cut.tag == 'S' && cut.kind == Cut::Kind::frame) {
      protocol::WireReader body(cut.body());
      const std::string_view name = body.ReadCString();
      SetParameter(name, body.ReadCString());
    }
    dropping_ = cut.tag == 'N' && KeepBack(cut);
    if (!dropping_) to_client_.Pass(cut.bytes, cut.kept);
    return;
  }
  switch (answering_) {
    case Answering::probe:
      return ProbeReply(cut);
    case Answering::unedited:
      dropping_ = true;
      if (cut.tag == 'Z') answering_ = Answering::client;
      return;
    case Answering::client:
      if (cut.tag != 'E') Release(&notices_);
      if (expected_.pending() && TokenReply(cut)) {
        dropping_ = true;
      } else {
        Reply(cut);
      }
      return;
  }
}

// Whether a notice does not go on now: it is the token's, or may come twice.
bool ExchangeEdit::KeepBack(const Cut& cut) {
  if (answering_ == Answering::probe) return TellsOfMessages(cut.body());
  if (answering_ == Answering::unedited || !expected_.pending()) return false;
  const Token& token = expected_.tokens[expected_.next];
  if (expected_.replies == token.behind && token.next != Token::Next::complete &&
      TellsOfMessages(cut.body())) {
    return true;
  }
  const bool first = !expected_.passed && token.next == Token::Next::description;
  if (!first || cut.kind != Cut::Kind::frame || !IsOfTheParser(cut.body())) return false;
  notices_.append(cut.bytes);
  return true;
}

void ExchangeEdit::ProbeReply(const Cut& cut) {
  dropping_ = true;
  switch (cut.tag) {
    case 'D':
      probe_answered_ = DecodeTokenRow(cut.body()).has_value();
      if (!probe_answered_) Refused({});
      return;
    case 'E':
      if (!IsOfTheMoment(cut.body()) || ++probes_ == kMaxProbes) Refused(cut.body());
      if (!EndsSession(cut.body())) return;
      dropping_ = false;
      return to_client_.Pass(cut.bytes, cut.kept);
    case 'Z':
      return ProbeOver();
    default:
      return;
  }
}

void ExchangeEdit::ProbeOver() {
  answering_ = Answering::client;
  wait_ = Wait::nothing;
  if (statement_ == Statement::refused) return;
  statement_ = probe_answered_ ? Statement::prepared : Statement::absent;
  probe_due_ = !probe_answered_;
}

void ExchangeEdit::Refused(std::string_view error) {
  if (statement_ == Statement::refused) return;
  statement_ = Statement::refused;
  context_->counters.refused_sessions.Add();
  if (context_->on_refusal) context_->on_refusal(ErrorField(error, 'M'));
}

bool ExchangeEdit::TokenReply(const Cut& cut) {
  Token& token = expected_.tokens[expected_.next];
  if (expected_.replies != token.behind) return false;
  if (token.next == Token::Next::bind && cut.tag == '2') {
    token.next = Token::Next::row;
  } else if (token.next == Token::Next::description && cut.tag == 'T') {
    token.next = Token::Next::row;
  } else if (token.next == Token::Next::row && cut.tag == 'D') {
    TakeToken(cut);
    token.next = Token::Next::complete;
  } else if (token.next == Token::Next::complete && cut.tag == 'C') {
    ++expected_.next;
    Release(&held_);
  } else {
    return false;
  }
  return true;
}

void ExchangeEdit::TakeToken(const Cut& cut) {
  const std::optional<TokenValues> token = DecodeTokenRow(cut.body());
  if (cut.kind != Cut::Kind::frame || !token) return;
  context_->counters.seen.Add();
  to_client_.Flush();
  std::string& payload = context_->scratch;
  payload.clear();
  EncodeToken(*token, &payload);
  tap_->TokenSeen(session_, payload, stamp_);
}

void ExchangeEdit::Reply(const Cut& cut) {
  switch (cut.tag) {
    case '1':
      names_.ParseCompleted();
      ++expected_.replies;
      break;
    case '2':
    case '3':
    case 'n':
    case 's':
      ++expected_.replies;
      break;
    case 'T':
      if (!expected_.simple) ++expected_.replies;
      break;
    case 'I':
      ++expected_.replies;
      break;
    case 'C':
      return OnCommandComplete(cut);
    case 'E':
      return OnError(cut);
    case 'Z':
      return OnReady(cut);
    default:
      break;
  }
  expected_.passed = true;
  to_client_.Pass(cut.bytes, cut.kept);
}

void ExchangeEdit::OnCommandComplete(const Cut& cut) {
  ++expected_.replies;
  expected_.passed = true;
  const std::string_view tag = cut.body().substr(0, cut.body().find('\0'));
  if (tag.starts_with("DEALLOCATE") || tag == "DISCARD ALL") {
    names_.ForgetStatements();
    if (statement_ == Statement::prepared) statement_ = Statement::absent;
    probe_due_ = statement_ == Statement::absent;
  }
  const bool last =
      expected_.pending() && expected_.append && expected_.replies == expected_.tokens[0].behind;
  if (!last) return to_client_.Pass(cut.bytes, cut.kept);
  held_.assign(cut.bytes);
}

void ExchangeEdit::Release(std::string* held) {
  if (held->empty()) return;
  to_client_.Pass(*held, true);
  held->clear();
}

void ExchangeEdit::OnError(const Cut& cut) {
  if (expected_.pending()) {
    const Token& token = expected_.tokens[expected_.next];
    const bool first = !expected_.passed && token.next == Token::Next::description;
    if (first && SendUnedited(cut.body())) {
      dropping_ = true;
      notices_.clear();  // they come again
      return;
    }
    if (expected_.replies == token.behind && token.next != Token::Next::complete &&
        !IsOfTheMoment(cut.body())) {
      Refused(cut.body());
    }
    expected_.next = expected_.count;
  }
  Release(&notices_);
  held_.clear();
  names_.Failed();
  to_client_.Pass(cut.bytes, cut.kept);
}

// A syntax error behind what the client wrote before the place of the edit: the server tells it
// before it executes anything of the text.
bool ExchangeEdit::SendUnedited(std::string_view error) {
  const std::string_view position = ErrorField(error, 'P');
  size_t characters = 0;
  const auto [stop, failure] =
      std::from_chars(position.data(), position.data() + position.size(), characters);
  const std::string_view query = std::string_view(unedited_).substr(FrameCutter::kHeader);
  if (failure != std::errc() || characters <= Characters(query.substr(0, expected_.at))) {
    return false;
  }
  context_->counters.sent_again.Add();
  to_primary_.Insert(unedited_);
  expected_ = Expected{};
  answering_ = Answering::unedited;
  return true;
}

void ExchangeEdit::OnReady(const Cut& cut) {
  Release(&held_);
  to_client_.Pass(cut.bytes, cut.kept);
  to_client_.Flush();
  names_.Ready(relay_->exchange().outstanding() == 0);
  if (relay_->exchange().status() == 'I') names_.TransactionOver();
  expected_ = Expected{};
  if (wait_ == Wait::query) wait_ = Wait::nothing;
  ReleaseRow();
  LookAtOffer();
  if (probe_due_ && wait_ == Wait::nothing && relay_->Idle() && client_.AtBoundary()) {
    StartProbe();
  }
}

}  // namespace pgparity::proxy
