#include "protocol/backend.h"

#include "protocol/text.h"
#include "protocol/wire.h"

namespace pgparity::protocol {
namespace {

using Decoded = absl::StatusOr<BackendMessage>;

Decoded Malformed(std::string_view message) {
  return absl::InvalidArgumentError(StrCat("malformed ", message, " message"));
}

// The message when the reader stands at the body's very end.
template <typename Message>
Decoded Finish(const WireReader& reader, std::string_view name, Message message) {
  if (!reader.AtEnd()) return Malformed(name);
  return BackendMessage(std::move(message));
}

Decoded DecodeAuthentication(WireReader reader) {
  constexpr std::string_view kName = "Authentication";
  using Kind = backend::AuthenticationKind;
  backend::Authentication message;
  message.kind = static_cast<Kind>(reader.ReadInt32());
  switch (message.kind) {
    case Kind::ok:
    case Kind::kerberos_v5:
    case Kind::cleartext_password:
    case Kind::gss:
    case Kind::sspi:
      break;
    case Kind::md5_password:
      message.data = reader.ReadBytes(4);
      break;
    case Kind::gss_continue:
    case Kind::sasl_continue:
    case Kind::sasl_final:
      message.data = reader.ReadRest();
      break;
    case Kind::sasl:
      while (reader.ok()) {
        const std::string_view mechanism = reader.ReadCString();
        if (mechanism.empty()) break;
        message.mechanisms.push_back(mechanism);
      }
      break;
    default:
      reader.Fail();
  }
  return Finish(reader, kName, std::move(message));
}

Decoded DecodeKeyData(WireReader reader) {
  backend::BackendKeyData message;
  message.process_id = reader.ReadInt32();
  message.key = reader.ReadRest();
  if (message.key.size() < 4 || message.key.size() > 256) reader.Fail();
  return Finish(reader, "BackendKeyData", message);
}

Decoded DecodeCopyResponse(char tag, WireReader reader) {
  backend::CopyResponse message;
  message.direction = static_cast<backend::CopyDirection>(tag);
  message.format = static_cast<int8_t>(reader.ReadUint8());
  for (uint16_t left = reader.ReadUint16(); left > 0 && reader.ok(); --left) {
    message.formats.push_back(reader.ReadInt16());
  }
  return Finish(reader, "CopyResponse", std::move(message));
}

Decoded DecodeDataRow(WireReader reader) {
  backend::DataRow message;
  message.columns = reader.ReadUint16();
  message.values = reader.ReadRest();
  return Finish(reader, "DataRow", message);
}

template <typename Message>
Decoded DecodeErrorFields(WireReader reader, std::string_view name) {
  const std::string_view all = reader.rest();
  Message message;
  while (reader.ok()) {
    const size_t read = all.size() - reader.remaining();
    if (reader.ReadUint8() == 0) {
      message.fields = all.substr(0, read);
      break;
    }
    reader.ReadCString();
  }
  return Finish(reader, name, message);
}

Decoded DecodeFunctionCallResponse(WireReader reader) {
  backend::FunctionCallResponse message;
  const int32_t length = reader.ReadInt32();
  if (length >= 0) {
    message.value = reader.ReadBytes(static_cast<size_t>(length));
  } else if (length != -1) {
    reader.Fail();
  }
  return Finish(reader, "FunctionCallResponse", message);
}

Decoded DecodeNegotiate(WireReader reader) {
  backend::NegotiateProtocolVersion message;
  message.version = reader.ReadInt32();
  int32_t left = reader.ReadInt32();
  if (left < 0) reader.Fail();
  for (; left > 0 && reader.ok(); --left) message.unknown_options.push_back(reader.ReadCString());
  return Finish(reader, "NegotiateProtocolVersion", std::move(message));
}

Decoded DecodeNotification(WireReader reader) {
  backend::NotificationResponse message;
  message.process_id = reader.ReadInt32();
  message.channel = reader.ReadCString();
  message.payload = reader.ReadCString();
  return Finish(reader, "NotificationResponse", message);
}

Decoded DecodeParameterDescription(WireReader reader) {
  backend::ParameterDescription message;
  for (uint16_t left = reader.ReadUint16(); left > 0 && reader.ok(); --left) {
    message.types.push_back(reader.ReadUint32());
  }
  return Finish(reader, "ParameterDescription", std::move(message));
}

Decoded DecodeParameterStatus(WireReader reader) {
  backend::ParameterStatus message;
  message.name = reader.ReadCString();
  message.value = reader.ReadCString();
  return Finish(reader, "ParameterStatus", message);
}

Decoded DecodeReadyForQuery(WireReader reader) {
  const char status = static_cast<char>(reader.ReadUint8());
  if (status != 'I' && status != 'T' && status != 'E') reader.Fail();
  return Finish(reader, "ReadyForQuery", backend::ReadyForQuery{status});
}

backend::FieldDescription ReadField(WireReader* reader) {
  backend::FieldDescription field;
  field.name = reader->ReadCString();
  field.table = reader->ReadUint32();
  field.attribute = reader->ReadInt16();
  field.type = reader->ReadUint32();
  field.type_length = reader->ReadInt16();
  field.type_modifier = reader->ReadInt32();
  field.format = reader->ReadInt16();
  return field;
}

Decoded DecodeRowDescription(WireReader reader) {
  backend::RowDescription message;
  for (uint16_t left = reader.ReadUint16(); left > 0 && reader.ok(); --left) {
    message.fields.push_back(ReadField(&reader));
  }
  return Finish(reader, "RowDescription", std::move(message));
}

}  // namespace

namespace backend {

bool RowWalker::Next(std::optional<std::string_view>* value) {
  if (!ok_) return false;
  if (left_ == 0) {
    ok_ = rest_.empty();
    return false;
  }
  WireReader reader(rest_);
  const int32_t length = reader.ReadInt32();
  if (length >= 0) {
    *value = reader.ReadBytes(static_cast<size_t>(length));
  } else {
    value->reset();
    if (length != -1) reader.Fail();
  }
  ok_ = reader.ok();
  rest_ = reader.rest();
  --left_;
  return ok_;
}

std::string_view ErrorFields::Get(char code) const {
  WireReader reader(fields);
  while (reader.remaining() > 0) {
    const char found = static_cast<char>(reader.ReadUint8());
    const std::string_view text = reader.ReadCString();
    if (found == code) return text;
  }
  return {};
}

bool ErrorFields::fatal() const {
  const std::string_view untranslated = Get('V');
  const std::string_view severity = untranslated.empty() ? Get('S') : untranslated;
  return severity == "FATAL" || severity == "PANIC";
}

}  // namespace backend

absl::StatusOr<BackendMessage> DecodeBackend(char tag, std::string_view body) {
  WireReader reader(body);
  switch (tag) {
    case 'R':
      return DecodeAuthentication(reader);
    case 'K':
      return DecodeKeyData(reader);
    case '2':
      return Finish(reader, "BindComplete", backend::BindComplete{});
    case '3':
      return Finish(reader, "CloseComplete", backend::CloseComplete{});
    case 'C': {
      const std::string_view command = reader.ReadCString();
      return Finish(reader, "CommandComplete", backend::CommandComplete{command});
    }
    case 'G':
    case 'H':
    case 'W':
      return DecodeCopyResponse(tag, reader);
    case 'd':
      return BackendMessage(backend::CopyData{body});
    case 'c':
      return Finish(reader, "CopyDone", backend::CopyDone{});
    case 'D':
      return DecodeDataRow(reader);
    case 'I':
      return Finish(reader, "EmptyQueryResponse", backend::EmptyQueryResponse{});
    case 'E':
      return DecodeErrorFields<backend::ErrorResponse>(reader, "ErrorResponse");
    case 'N':
      return DecodeErrorFields<backend::NoticeResponse>(reader, "NoticeResponse");
    case 'V':
      return DecodeFunctionCallResponse(reader);
    case 'v':
      return DecodeNegotiate(reader);
    case 'n':
      return Finish(reader, "NoData", backend::NoData{});
    case 'A':
      return DecodeNotification(reader);
    case 't':
      return DecodeParameterDescription(reader);
    case 'S':
      return DecodeParameterStatus(reader);
    case '1':
      return Finish(reader, "ParseComplete", backend::ParseComplete{});
    case 's':
      return Finish(reader, "PortalSuspended", backend::PortalSuspended{});
    case 'Z':
      return DecodeReadyForQuery(reader);
    case 'T':
      return DecodeRowDescription(reader);
    default:
      return absl::InvalidArgumentError(StrCat(
          "unknown server message, tag 0x", absl::Hex(static_cast<uint8_t>(tag), absl::kZeroPad2)));
  }
}

absl::StatusOr<std::string> WithResultFormats(std::string_view row_description,
                                              const std::vector<int16_t>& result_formats) {
  std::string body(row_description);
  WireReader reader(row_description);
  const uint16_t columns = reader.ReadUint16();
  for (uint16_t column = 0; column < columns && reader.ok(); ++column) {
    ReadField(&reader);
    if (!reader.ok()) break;
    const size_t end = row_description.size() - reader.remaining();
    int16_t format = 0;
    if (result_formats.size() == 1) {
      format = result_formats[0];
    } else if (!result_formats.empty()) {
      if (column >= result_formats.size()) continue;
      format = result_formats[column];
    }
    body[end - 2] = static_cast<char>(format >> 8 & 0xff);
    body[end - 1] = static_cast<char>(format & 0xff);
  }
  if (!reader.AtEnd()) return absl::InvalidArgumentError("malformed RowDescription message");
  return body;
}

}  // namespace pgparity::protocol
