// The forwarder with TLS, against clients and a primary that the test plays.
#pragma once

#include <optional>
#include <string>

#include "proxy/tls_client.h"
#include "proxy/tls_server.h"
#include "proxy/url.h"
#include "tests/support/certificates.h"
#include "tests/support/temp_dir.h"
#include "tests/support/tls_peer.h"
#include "tests/unit/proxy/forwarder_fixture.h"

namespace pgparity::proxy {

class ForwarderTlsTest : public ForwarderTest {
 protected:
  // Made once: keys take their time.
  struct Certificates {
    support::TempDir directory;
    support::TestCa ca{directory.path(), "ca"};
    support::TestCa other_ca{directory.path(), "other-ca"};
    support::KeyPair server = ca.Issue("server", {"localhost", {"IP:127.0.0.1"}});
    support::KeyPair misnamed = ca.Issue("misnamed", {"db.example.org", {"DNS:db.example.org"}});
    support::KeyPair client = ca.Issue("client", {"ann"});
    support::KeyPair stranger = other_ca.Issue("stranger", {"ann"});
  };
  static Certificates& Files() {
    static Certificates files;
    return files;
  }

  ForwarderTlsTest() { UseClientTls(); }

  void UseClientTls(const std::string& client_ca = "") {
    options_.client_tls =
        *TlsServer::Load({Files().server.certificate, Files().server.key, client_ca, ""});
  }
  void UsePrimaryTls(const std::string& params) {
    const auto url = DatabaseUrl::Parse("postgres://127.0.0.1/d?" + params);
    const auto client = TlsClient::Create(*TlsClientOptionsOf(*url));
    ASSERT_TRUE(client.ok()) << client.status();
    options_.primary_tls = *client;
  }
  static std::string Roots() { return "&sslrootcert=" + Files().ca.certificate(); }
  static std::string SslRequest() { return protocol::EncodeStartup(protocol::SslRequest{}); }
  static std::string Cancel() {
    return protocol::EncodeStartup(protocol::CancelRequest{77, "key!"});
  }
  static support::TlsPeerOptions ServerEnd(const support::KeyPair& pair) {
    support::TlsPeerOptions options;
    options.server = true;
    options.certificate = pair.certificate;
    options.key = pair.key;
    return options;
  }

  // One end of a session over TLS.
  struct TlsEnd {
    TlsEnd(Socket given, const support::TlsPeerOptions& options)
        : socket(std::move(given)), tls(socket.fd(), options) {}
    void Send(std::string_view bytes) { tls.Send(bytes); }
    void Expect(std::string_view bytes) { EXPECT_EQ(tls.Receive(bytes.size()), bytes); }
    std::string Receive(size_t size) { return tls.Receive(size); }
    std::string ReceiveAll() { return tls.ReceiveAll(); }
    Socket socket;
    support::TlsSocketPeer tls;
  };
  // A client that asked for TLS, the handshake still before it.
  std::unique_ptr<TlsEnd> Ask(const support::TlsPeerOptions& options = {}) {
    Socket socket = Connect();
    socket.Send(SslRequest());
    socket.Expect("S");
    return std::make_unique<TlsEnd>(std::move(socket), options);
  }
  std::unique_ptr<TlsEnd> ConnectTls(const support::TlsPeerOptions& options = {}) {
    auto client = Ask(options);
    EXPECT_TRUE(client->tls.Handshake()) << client->tls.peer().error();
    return client;
  }
  // The primary's end of the next connection, which asks for TLS.
  std::unique_ptr<TlsEnd> AcceptTls(const support::KeyPair& pair = Files().server) {
    Socket socket = primary_.Accept();
    socket.Expect(SslRequest());
    socket.Send("S");
    auto server = std::make_unique<TlsEnd>(std::move(socket), ServerEnd(pair));
    EXPECT_TRUE(server->tls.Handshake()) << server->tls.peer().error();
    return server;
  }
  template <typename Client, typename Server>
  void LogInOver(Client* client, Server* server) {
    server->Expect(Startup());
    server->Send(LoginEnd());
    client->Expect(LoginEnd());
  }
  struct TlsPair {
    std::unique_ptr<TlsEnd> client, server;
  };
  // TLS on both sides.
  TlsPair LogInTls() {
    auto client = ConnectTls();
    client->Send(Startup());
    auto server = AcceptTls();
    LogInOver(client.get(), server.get());
    return {std::move(client), std::move(server)};
  }
  // What a client is told whose login fails.
  std::string Refusal() {
    Socket client = Connect();
    client.Send(Startup());
    return client.ReceiveAll();
  }
};

}  // namespace pgparity::proxy
