#include "protocol/authentication.h"

#include "protocol/digest.h"
#include "protocol/text.h"
#include "protocol/wire.h"

namespace pgparity::protocol {

void AppendAuthentication(std::string* out, backend::AuthenticationKind kind,
                          std::string_view data) {
  WireWriter(out).BeginMessage('R').Int32(static_cast<int32_t>(kind)).Bytes(data).EndMessage();
}

void AppendSaslOffer(std::string* out, const std::vector<std::string_view>& mechanisms) {
  WireWriter writer(out);
  writer.BeginMessage('R').Int32(static_cast<int32_t>(backend::AuthenticationKind::sasl));
  for (const std::string_view mechanism : mechanisms) writer.CString(mechanism);
  writer.Uint8(0).EndMessage();
}

absl::StatusOr<SaslInitialResponse> DecodeSaslInitialResponse(std::string_view body) {
  WireReader reader(body);
  SaslInitialResponse response;
  response.mechanism = reader.ReadCString();
  const int32_t size = reader.ReadInt32();
  if (size >= 0) response.data = reader.ReadBytes(static_cast<size_t>(size));
  if (!reader.AtEnd() || size < -1) {
    return absl::InvalidArgumentError("malformed SASL initial response");
  }
  return response;
}

void AppendSaslInitialResponse(std::string* out, std::string_view mechanism,
                               std::string_view data) {
  WireWriter(out)
      .BeginMessage('p')
      .CString(mechanism)
      .Int32(static_cast<int32_t>(data.size()))
      .Bytes(data)
      .EndMessage();
}

void AppendSaslResponse(std::string* out, std::string_view data) { AppendMessage(out, 'p', data); }

void AppendPassword(std::string* out, std::string_view password) {
  WireWriter(out).BeginMessage('p').CString(password).EndMessage();
}

bool IsMd5Password(std::string_view text) {
  return text.size() == 35 && text.substr(0, 3) == "md5" &&
         text.find_first_not_of("0123456789abcdef", 3) == std::string_view::npos;
}

absl::StatusOr<std::string> Md5Response(std::string_view user, std::string_view password,
                                        std::string_view salt) {
  std::string salted = StrCat(password, user);
  absl::StatusOr<std::string> inner = Md5Hex(salted);
  Wipe(&salted);
  if (!inner.ok()) return inner.status();
  salted = StrCat(*inner, salt);
  absl::StatusOr<std::string> outer = Md5Hex(salted);
  Wipe(&salted);
  Wipe(&*inner);
  if (!outer.ok()) return outer.status();
  return StrCat("md5", *outer);
}

}  // namespace pgparity::protocol
