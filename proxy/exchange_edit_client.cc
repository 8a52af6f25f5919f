// The client's messages: where a token goes in.
#include <algorithm>

#include "protocol/wire.h"
#include "proxy/exchange_edit.h"
#include "proxy/token.h"

namespace pgparity::proxy {
namespace {

using Cut = FrameCutter::Cut;

bool IsAscii(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

}  // namespace

uint64_t ExchangeEdit::NameHash(std::string_view name) const {
  return name.empty() ? StatementNames::kUnnamed : context_->classes.Hash(name);
}

void ExchangeEdit::Client(std::string_view piece) {
  client_.Give(piece);
  while (wait_ == Wait::nothing && !to_primary_.bad()) {
    if (context_->hold != nullptr && WaitsForRow()) break;
    const Cut cut = client_.Next(false);
    if (cut.kind == Cut::Kind::none) return;
    ClientFrame(cut);
  }
  backlog_.append(client_.TakeRest());
}

void ExchangeEdit::ClientFrame(const Cut& cut) {
  if (cut.kind == Cut::Kind::rest || cut.kind == Cut::Kind::opaque) {
    return to_primary_.Pass(cut.bytes, cut.kept);
  }
  switch (cut.tag) {
    case 'P':
      Parse(cut);
      break;
    case 'B':
      Bind(cut);
      break;
    case 'C':
      Close(cut);
      break;
    case 'D':
      BeginExchange();
      ++exchange_.messages;
      break;
    case 'E':
      Execute(cut);
      break;
    case 'Q':
      return Query(cut);
    case 'F':
      BeginExchange();
      Stop(TokenLeftOut::other_statement);
      exchange_.works = true;
      EndExchange();
      break;
    case 'S':
      BeginExchange();
      BeforeSync();
      EndExchange();
      break;
    default:
      break;
  }
  to_primary_.Pass(cut.bytes, cut.kept);
}

void ExchangeEdit::BeginExchange() {
  if (exchange_.open) return;
  to_primary_.Flush();
  const ExchangeState& state = relay_->exchange();
  exchange_ = Exchange{};
  exchange_.open = true;
  exchange_.editable = state.Settled();
  if (!exchange_.editable) return Stop(TokenLeftOut::pipelined);
  expected_ = Expected{};
  exchange_.inside = state.status() != 'I';
  exchange_.failed = state.status() == 'E';
  if (!exchange_.inside) block_works_ = false;
  exchange_.works = block_works_;
  if (statement_ == Statement::refused) Stop(TokenLeftOut::refused);
  if (statement_ == Statement::absent) Stop(TokenLeftOut::unprepared);
}

void ExchangeEdit::EndExchange() {
  names_.ExchangeSent();
  block_works_ = exchange_.works || (!exchange_.editable && block_works_);
  exchange_.open = false;
}

// The first reason stays.
void ExchangeEdit::Stop(TokenLeftOut why) {
  if (!exchange_.stopped) exchange_.why = why;
  exchange_.stopped = true;
}

// A token is wanted here.
bool ExchangeEdit::MayPut() {
  // A failed transaction writes nothing; and what is not recorded has no use for an order.
  if (exchange_.failed || !recording() || context_->hold != nullptr) return false;
  if (expected_.count == expected_.tokens.size()) Stop(TokenLeftOut::pipelined);
  if (exchange_.stopped) context_->counters.LeftOut(exchange_.why);
  return !exchange_.stopped;
}

void ExchangeEdit::PutToken() {
  if (!MayPut()) return;
  to_primary_.Flush();
  tap_->TokenSent(session_, stamp_);
  to_primary_.Insert(TokenMessages());
  expected_.tokens[expected_.count++] = {exchange_.messages, Token::Next::bind};
  context_->counters.sent.Add();
}

void ExchangeEdit::Parse(const Cut& cut) {
  BeginExchange();
  ++exchange_.messages;
  protocol::WireReader body(cut.body());
  const std::string_view name = body.ReadCString();
  std::string_view text = body.ReadCString();
  StatementClass is = StatementClass::unknown;
  if (body.ok()) {
    is = context_->classes.Class(text);
  } else if (cut.kind == Cut::Kind::begin && cut.body().size() > name.size()) {
    // One statement, whatever is behind; a read may turn out to write there.
    text = cut.body().substr(name.size() + 1);
    is = Classify(text);
    if (is == StatementClass::read) is = StatementClass::write;
    if (is != StatementClass::write) is = StatementClass::unknown;
  }
  const std::optional<TextShape> shape =
      context_->hold != nullptr && body.ok() ? ShapeOf(text) : std::nullopt;
  names_.Parse(NameHash(name), is, shape ? shape->fingerprint : 0);
}

void ExchangeEdit::Bind(const Cut& cut) {
  BeginExchange();
  ++exchange_.messages;
  protocol::WireReader body(cut.body());
  const std::string_view portal = body.ReadCString(), statement = body.ReadCString();
  if (body.ok()) return names_.Bind(NameHash(portal), NameHash(statement));
  // Too long to be known.
  Stop(TokenLeftOut::unknown_statement);
  exchange_.works = exchange_.writes = true;
}

void ExchangeEdit::Close(const Cut& cut) {
  BeginExchange();
  ++exchange_.messages;
  protocol::WireReader body(cut.body());
  const uint8_t kind = body.ReadUint8();
  const std::string_view name = body.ReadCString();
  if (!body.ok()) return Stop(TokenLeftOut::unknown_statement);
  if (kind == 'S') names_.CloseStatement(NameHash(name));
  if (kind == 'P') names_.ClosePortal(NameHash(name));
}

void ExchangeEdit::Execute(const Cut& cut) {
  BeginExchange();
  protocol::WireReader body(cut.body());
  const std::string_view portal = body.ReadCString();
  BeforeExecute(body.ok() ? names_.Portal(NameHash(portal)) : StatementClass::unknown);
  ++exchange_.messages;
}

void ExchangeEdit::BeforeExecute(StatementClass is) {
  Exchange& exchange = exchange_;
  switch (is) {
    case StatementClass::read:
      exchange.works = true;
      return;
    case StatementClass::write:
      exchange.works = exchange.writes = true;
      return;
    case StatementClass::control:
      return;
    case StatementClass::work:
      exchange.works = exchange.writes = true;
      // CREATE INDEX CONCURRENTLY, VACUUM and the like commit at once.
      if (!exchange.inside) Stop(TokenLeftOut::other_statement);
      return;
    case StatementClass::begin:
      exchange.inside = true;
      return;
    case StatementClass::commit:
    case StatementClass::commit_and_chain:
      if (exchange.works && (exchange.inside || exchange.writes)) PutToken();
      exchange.inside = exchange.inside && is == StatementClass::commit_and_chain;
      exchange.works = exchange.writes = false;
      return;
    case StatementClass::rollback:
    case StatementClass::rollback_and_chain:
      exchange.inside = exchange.inside && is == StatementClass::rollback_and_chain;
      exchange.works = exchange.writes = false;
      return;
    case StatementClass::stop:
    case StatementClass::unknown:
      exchange.works = exchange.writes = true;
      Stop(is == StatementClass::stop ? TokenLeftOut::other_statement
                                      : TokenLeftOut::unknown_statement);
      return;
  }
}

void ExchangeEdit::BeforeSync() {
  if (exchange_.writes && !exchange_.inside) PutToken();
}

// The lexer reads it as the server does: the settings that matter are as it assumes.
bool ExchangeEdit::QueryIsCertain(std::string_view text) const {
  return standard_strings_ && (utf8_ || IsAscii(text));
}

void ExchangeEdit::Query(const Cut& cut) {
  BeginExchange();
  if (context_->hold == nullptr) {
    AskWithQuery(cut);
  } else {
    to_primary_.Pass(cut.bytes, cut.kept);
  }
  names_.QuerySent();
  EndExchange();
}

void ExchangeEdit::AskWithQuery(const Cut& cut) {
  using Edit = SimpleText::Edit;
  if (exchange_.messages != 0) Stop(TokenLeftOut::other_statement);
  protocol::WireReader body(cut.body());
  const std::string_view text = body.ReadCString();
  const bool whole = cut.kind == Cut::Kind::frame && text.size() <= context_->max_text;
  SimpleText found;
  if (!whole) {
    const StatementClass is = Classify(cut.body());
    found.writes = MayWrite(is);
    found.works = found.writes || is == StatementClass::read;
    Stop(TokenLeftOut::too_long);
  } else if (body.AtEnd() && QueryIsCertain(text)) {
    found = context_->classes.Simple(text);
  } else {
    found.works = found.writes = true;
  }

  const bool inside = exchange_.inside;
  const bool works = exchange_.works || found.works;
  const bool goes_on = found.certain && found.begins && !found.commits;
  const bool wanted = inside ? works && found.commits : found.writes && !goes_on;
  if (found.edit == Edit::none || (inside && found.edit == Edit::append)) {
    Stop(found.certain ? TokenLeftOut::other_statement : TokenLeftOut::text);
  }
  const bool edit = wanted && MayPut();
  exchange_.works = works && !(found.certain && EndsTransaction(found.last));
  if (edit) {
    EditQuery(cut, found);
  } else {
    to_primary_.Pass(cut.bytes, cut.kept);
  }
}

void ExchangeEdit::EditQuery(const Cut& cut, const SimpleText& text) {
  const bool append = text.edit == SimpleText::Edit::append;
  const std::string_view query = cut.body().substr(0, cut.body().size() - 1);
  const size_t at = append ? query.size() : text.at;
  std::string& edited = context_->scratch;
  edited.clear();
  protocol::WireWriter writer(&edited);
  writer.BeginMessage('Q').Bytes(query.substr(0, at)).Bytes(append ? "\n;" : "");
  writer.Bytes(kTokenExecute).Bytes(append ? "" : ";").Bytes(query.substr(at));
  writer.Uint8(0).EndMessage();

  unedited_.assign(cut.bytes);
  expected_ = Expected{};
  expected_.simple = true;
  expected_.append = append;
  expected_.at = at;
  expected_.tokens[0] = {text.statements, Token::Next::description};
  expected_.count = 1;
  context_->counters.sent.Add();
  wait_ = Wait::query;
  // Before the client's bytes, where they hold nothing but the COMMIT.
  to_primary_.Flush();
  if (text.statements == 0) tap_->TokenSent(session_, stamp_);
  to_primary_.Replace(cut.bytes, edited);
  if (text.statements != 0) tap_->TokenSent(session_, stamp_);
}

}  // namespace pgparity::proxy
