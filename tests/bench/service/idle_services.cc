// What gRPC costs by itself: services of acclimate.v1 whose methods do nothing, in a process of
// their own, as the benchmarks compare the server with. Writes {"listen": ...} to its first
// argument; with a certificate, its key and an authority after that it takes mutual TLS.
//
// GetServerInfo: an empty unary call of the thread-a-call API; ListMethods: of the callback API;
// WriteUpload: takes a stream and discards it.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "acclimate/v1/admin_service.grpc.pb.h"
#include "acclimate/v1/artifact_service.grpc.pb.h"
#include "acclimate/v1/catalog_service.grpc.pb.h"
#include "grpcpp/server_builder.h"

namespace {

namespace v1 = acclimate::v1;

class IdleAdmin : public v1::AdminService::Service {
  grpc::Status GetServerInfo(grpc::ServerContext*, const v1::GetServerInfoRequest*,
                             v1::ServerInfo*) override {
    return grpc::Status::OK;
  }
};

class IdleCatalog : public v1::CatalogService::CallbackService {
  grpc::ServerUnaryReactor* ListMethods(grpc::CallbackServerContext* context,
                                        const v1::ListMethodsRequest*,
                                        v1::ListMethodsResponse*) override {
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }
};

class IdleArtifacts : public v1::ArtifactService::Service {
  grpc::Status WriteUpload(grpc::ServerContext*, grpc::ServerReader<v1::WriteUploadRequest>* reader,
                           v1::Upload* answer) override {
    v1::WriteUploadRequest chunk;
    int64_t bytes = 0;
    while (reader->Read(&chunk)) bytes += chunk.data().size();
    answer->set_committed_bytes(bytes);
    return grpc::Status::OK;
  }
};

std::string Content(const char* path) {
  std::ostringstream content;
  content << std::ifstream(path).rdbuf();
  return content.str();
}

std::shared_ptr<grpc::ServerCredentials> MutualTls(const char* certificate, const char* key,
                                                   const char* authority) {
  grpc::SslServerCredentialsOptions options(
      GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  options.pem_root_certs = Content(authority);
  options.pem_key_cert_pairs.push_back({Content(key), Content(certificate)});
  return grpc::SslServerCredentials(options);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2 && argc != 5) {
    std::fprintf(stderr, "usage: %s ENDPOINT_FILE [CERTIFICATE KEY AUTHORITY]\n", argv[0]);
    return 2;
  }
  IdleAdmin admin;
  IdleCatalog catalog;
  IdleArtifacts artifacts;
  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort(
      "127.0.0.1:0",
      argc == 5 ? MutualTls(argv[2], argv[3], argv[4]) : grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&admin);
  builder.RegisterService(&catalog);
  builder.RegisterService(&artifacts);
  std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr) return 1;
  std::ofstream(argv[1]) << absl::StrCat("{\"listen\": \"127.0.0.1:", port, "\"}\n");
  server->Wait();
  return 0;
}
