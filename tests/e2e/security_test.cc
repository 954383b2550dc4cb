// Who may do what: TLS, client certificates, tokens, roles, the audit log.

#include <algorithm>
#include <filesystem>
#include <functional>
#include <map>
#include <random>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "client/lib/uploader.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/artifacts/sha256.h"
#include "server/auth/audit_log.h"
#include "tests/e2e/api_client.h"
#include "tests/e2e/certificates.h"
#include "tests/e2e/test_data.h"

namespace acclimate::e2e {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// The line of an access file.
std::string TokenLine(const std::string& name, const std::string& token, const std::string& roles) {
  return absl::StrCat(name, " token-sha256:", artifacts::Sha256Of(token), " ", roles, "\n");
}

std::string FileWith(const TemporaryFolder& folder, const std::string& name,
                     const std::string& bytes) {
  WriteFile(folder.File(name), bytes);
  return folder.File(name);
}

class Clients {
 public:
  explicit Clients(const ServerProcess& server) : server_(server) {}
  std::unique_ptr<client::Connection> Connect(client::SecurityOptions security,
                                              const std::string& tenant = "default") const {
    client::ConnectionOptions options;
    options.server = server_.address();
    options.tenant = tenant;
    options.first_contact_patience = absl::Seconds(3);
    options.credentials = *client::LoadCredentials(security, options.server);
    return std::make_unique<client::Connection>(options);
  }
  absl::Status Info(const client::SecurityOptions& security) const {
    const auto connection = Connect(security);
    return connection
        ->Call<v1::ServerInfo>(connection->admin(), &v1::AdminService::Stub::GetServerInfo,
                               v1::GetServerInfoRequest())
        .status();
  }

 private:
  const ServerProcess& server_;
};

TEST(TlsTest, EncryptsAndReadsItsCertificateAgain) {
  Authority first("first"), second("second");
  first.Sign("server");
  second.Sign("server");
  const TemporaryFolder folder;
  const auto install = [&](const Authority& authority) {
    for (const auto& [from, to] : {std::pair(authority.Cert("server"), folder.File("tls.crt")),
                                   std::pair(authority.Key("server"), folder.File("tls.key"))}) {
      WriteFile(to + ".new", ReadFile(from));
      std::filesystem::rename(to + ".new", to);
    }
  };
  install(first);
  ServerProcess server(0,
                       {"--tls-cert", folder.File("tls.crt"), "--tls-key", folder.File("tls.key")});
  const Clients clients(server);
  client::SecurityOptions trusts_first, trusts_second;
  trusts_first.tls_ca = first.certificate();
  trusts_second.tls_ca = second.certificate();
  EXPECT_TRUE(clients.Info(trusts_first).ok()) << clients.Info(trusts_first);
  EXPECT_TRUE(absl::IsUnavailable(clients.Info(trusts_second)));
  EXPECT_TRUE(absl::IsUnavailable(clients.Info({}))) << "plain text must get nothing";

  const auto before = clients.Connect(trusts_first);
  install(second);
  EXPECT_TRUE(WaitUntil([&] { return clients.Info(trusts_second).ok(); }, absl::Minutes(2)));
  EXPECT_TRUE(absl::IsUnavailable(clients.Info(trusts_first)));
}

TEST(TlsTest, ClientCertificatesSayWhoCalls) {
  Authority authority("authority"), stranger("stranger");
  for (const char* name : {"server", "viewer", "unknown"}) authority.Sign(name);
  stranger.Sign("viewer");
  const TemporaryFolder folder;
  ServerProcess server(
      0, {"--tls-cert", authority.Cert("server"), "--tls-key", authority.Key("server"),
          "--tls-client-ca", authority.certificate(), "--access-file",
          FileWith(folder, "access",
                   "v certificate:viewer default:viewer\n" +
                       TokenLine("t", "a-token", "default:viewer"))});
  const Clients clients(server);
  client::SecurityOptions security;
  security.tls_ca = authority.certificate();
  EXPECT_TRUE(absl::IsUnauthenticated(clients.Info(security)));
  security.token_file = FileWith(folder, "token", "a-token\n");
  EXPECT_TRUE(clients.Info(security).ok());
  security.token_file.clear();
  const auto as = [&](const Authority& of, const std::string& name) {
    security.tls_cert = of.Cert(name);
    security.tls_key = of.Key(name);
    return clients.Info(security);
  };
  EXPECT_TRUE(as(authority, "viewer").ok()) << as(authority, "viewer");
  EXPECT_TRUE(absl::IsUnauthenticated(as(authority, "unknown"))) << as(authority, "unknown");
  EXPECT_TRUE(absl::IsUnavailable(as(stranger, "viewer"))) << as(stranger, "viewer");
}

TEST(TlsTest, WrongFilesAreNamedAtTheStart) {
  Authority authority("authority");
  authority.Sign("server");
  authority.Sign("other");
  const TemporaryFolder folder;
  const auto said = [&](const std::vector<std::string>& flags) {
    std::vector<std::string> command = {ACCLIMATED,
                                        "serve",
                                        "--slots=0",
                                        "--data-dir=" + folder.File("data"),
                                        "--listen=127.0.0.1:0",
                                        "--metrics-listen=127.0.0.1:0"};
    command.insert(command.end(), flags.begin(), flags.end());
    ChildProcess process(command, folder.File("log"));
    EXPECT_NE(process.Wait(absl::Minutes(1)).value_or(0), 0);
    return process.Stderr();
  };
  const std::string cert = authority.Cert("server"), key = authority.Key("server");
  EXPECT_THAT(said({"--tls-cert", "/none", "--tls-key", key}), HasSubstr("cannot read /none"));
  EXPECT_THAT(said({"--tls-cert", key, "--tls-key", key}), HasSubstr("holds no certificate"));
  EXPECT_THAT(said({"--tls-cert", cert, "--tls-key", authority.Key("other")}),
              HasSubstr("is not the key of the certificate"));
  EXPECT_THAT(said({"--tls-cert", cert}), HasSubstr("are needed together"));
  EXPECT_THAT(said({"--listen=0.0.0.0:0"}), HasSubstr("--insecure"));
  EXPECT_THAT(said({"--access-file", FileWith(folder, "access", "alice\n")}),
              HasSubstr("access: line 1"));
}

TEST(InsecureTest, ListensBeyondLoopbackOnlyWhenTold) {
  ServerProcess server(0, {"--listen=0.0.0.0:0", "--insecure"});
  EXPECT_THAT(server.log(), HasSubstr("whoever reaches the port may do everything"));
}

// What an identity may do, written down a second time.
enum Rank { kNobody, kViewer, kSubmitter, kOperator, kAdmin };
struct Person {
  std::string token;
  std::map<std::string, Rank> ranks;  // by tenant; "*": all
  std::string roles;                  // as the access file has them
  bool known = true;
};
const std::vector<Person>& People() {
  static const auto& people = *new std::vector<Person>{
      {"", {}, "", false},
      {"wrong-token-9a1b", {}, "", false},
      {"viewer-of-a-7c21", {{"a", kViewer}}, "a:viewer"},
      {"submitter-of-a-55d0", {{"a", kSubmitter}, {"b", kViewer}}, "a:submitter,b:viewer"},
      {"operator-of-b-e13f", {{"b", kOperator}}, "b:operator"},
      {"viewer-of-all-0b6a", {{"*", kViewer}}, "*:viewer"},
      {"admin-of-all-91c4", {{"*", kAdmin}}, "*:admin"},
  };
  return people;
}
Rank RankIn(const Person& person, const std::string& tenant) {
  Rank rank = kNobody;
  for (const auto& [of, known] : person.ranks) {
    if (of == tenant || of == "*") rank = std::max(rank, known);
  }
  return rank;
}

class AccessTest : public testing::Test {
 protected:
  AccessTest() : server_(0, {"--access-file", AccessFile()}) {
    for (size_t i = 0; i < People().size(); ++i) {
      for (const char* tenant : {"a", "b"}) {
        client::SecurityOptions security;
        if (!People()[i].token.empty()) {
          security.token_file =
              FileWith(folder_, absl::StrCat("token", i), People()[i].token + "\n");
        }
        connections_[{i, tenant}] = Clients(server_).Connect(security, tenant);
      }
    }
  }
  std::string AccessFile() const {
    std::string lines;
    for (const Person& person : People()) {
      if (person.known) absl::StrAppend(&lines, TokenLine("x", person.token, person.roles));
    }
    return FileWith(folder_, "access", lines);
  }
  client::Connection& As(size_t person, const std::string& tenant = "a") {
    return *connections_.at({person, tenant});
  }
  // The blob's name in `tenant`, uploaded by the admin.
  std::string Upload(const std::string& tenant, const std::string& bytes) {
    auto uploaded = client::Uploader(As(People().size() - 1, tenant))
                        .Upload({FileWith(folder_, "blob", bytes)});
    EXPECT_TRUE(uploaded.ok()) << uploaded.status();
    return uploaded.ok() ? uploaded->front().blob : "";
  }
  std::string CreateJob(const std::string& tenant) {
    v1::CreateJobRequest request;
    request.set_parent("tenants/" + tenant);
    *request.mutable_spec() =
        TrainingSpec(Upload(tenant, ImageDataset({.seed = tenant == "a" ? 1u : 2u}, true)));
    auto& connection = As(People().size() - 1, tenant);
    auto job =
        connection.Call<v1::Job>(connection.jobs(), &v1::JobService::Stub::CreateJob, request);
    EXPECT_TRUE(job.ok()) << job.status();
    return job.ok() ? job->name() : "";
  }

  const TemporaryFolder folder_;
  ServerProcess server_;
  std::map<std::pair<size_t, std::string>, std::unique_ptr<client::Connection>> connections_;
};

// One call on a resource of a tenant; `there`: on one that exists, where that makes sense.
struct Call {
  const char* name;
  Rank needed;
  bool of_tenant;
  std::function<absl::Status(client::Connection&, const std::string& tenant, bool there)> make;
};

template <typename Stub, typename Request, typename Response>
absl::Status Once(client::Connection& connection, Stub& stub,
                  grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                  const Request& request) {
  grpc::ClientContext context;
  connection.Prepare(context);
  Response response;
  return client::FromGrpc((stub.*method)(&context, request, &response));
}

// 10,000 triples of identity, call and resource, drawn at random: what the server answers is what
// the table above says, and a refusal tells nothing of whether the resource is there.
TEST_F(AccessTest, TenThousandTriplesLeakNothing) {
  const std::map<std::string, std::string> job = {{"a", CreateJob("a")}, {"b", CreateJob("b")}};
  const std::map<std::string, std::string> blob = {{"a", Upload("a", "bytes of a")},
                                                   {"b", Upload("b", "bytes of b")}};
  const auto job_name = [&](const std::string& tenant, bool there) {
    return there ? job.at(tenant) : absl::StrCat("tenants/", tenant, "/jobs/absent");
  };
  const auto blob_name = [&](const std::string& tenant, bool there) {
    return there ? blob.at(tenant)
                 : absl::StrCat("tenants/", tenant, "/blobs/", std::string(64, '0'));
  };
  using Jobs = v1::JobService::Stub;
  using Artifacts = v1::ArtifactService::Stub;
  const std::vector<Call> calls = {
      {"GetJob", kViewer, true,
       [&](auto& c, const auto& tenant, bool there) {
         v1::GetJobRequest request;
         request.set_name(job_name(tenant, there));
         return Once(c, c.jobs(), &Jobs::GetJob, request);
       }},
      {"ListJobs", kViewer, true,
       [&](auto& c, const auto& tenant, bool) {
         v1::ListJobsRequest request;
         request.set_parent("tenants/" + tenant);
         return Once(c, c.jobs(), &Jobs::ListJobs, request);
       }},
      {"WatchJob", kViewer, true,
       [&](auto& c, const auto& tenant, bool) {
         grpc::ClientContext context;
         c.Prepare(context);
         v1::WatchJobRequest request;
         request.set_name(job_name(tenant, false));
         v1::WatchJobResponse response;
         const auto reader = c.jobs().WatchJob(&context, request);
         while (reader->Read(&response)) continue;
         return client::FromGrpc(reader->Finish());
       }},
      {"CreateJob", kSubmitter, true,
       [&](auto& c, const auto& tenant, bool) {
         v1::CreateJobRequest request;
         request.set_parent("tenants/" + tenant);
         return Once(c, c.jobs(), &Jobs::CreateJob, request);
       }},
      {"CancelJob", kSubmitter, true,
       [&](auto& c, const auto& tenant, bool there) {
         v1::CancelJobRequest request;
         request.set_name(job_name(tenant, there));
         return Once(c, c.jobs(), &Jobs::CancelJob, request);
       }},
      {"DeleteJob", kOperator, true,
       [&](auto& c, const auto& tenant, bool) {
         v1::DeleteJobRequest request;
         request.set_name(job_name(tenant, false));
         return Once(c, c.jobs(), &Jobs::DeleteJob, request);
       }},
      {"FindMissingBlobs", kViewer, true,
       [&](auto& c, const auto& tenant, bool there) {
         v1::FindMissingBlobsRequest request;
         request.set_parent("tenants/" + tenant);
         request.add_blobs(blob_name(tenant, there));
         return Once(c, c.artifacts(), &Artifacts::FindMissingBlobs, request);
       }},
      {"CreateUpload", kSubmitter, true,
       [&](auto& c, const auto& tenant, bool) {
         v1::CreateUploadRequest request;
         request.set_parent("tenants/" + tenant);
         return Once(c, c.artifacts(), &Artifacts::CreateUpload, request);
       }},
      {"GetUpload", kViewer, true,
       [&](auto& c, const auto& tenant, bool) {
         v1::GetUploadRequest request;
         request.set_name(absl::StrCat("tenants/", tenant, "/uploads/absent"));
         return Once(c, c.artifacts(), &Artifacts::GetUpload, request);
       }},
      {"WriteUpload", kSubmitter, true,
       [&](auto& c, const auto& tenant, bool) {
         grpc::ClientContext context;
         c.Prepare(context);
         v1::Upload upload;
         v1::WriteUploadRequest request;
         request.set_name(absl::StrCat("tenants/", tenant, "/uploads/absent"));
         const auto writer = c.artifacts().WriteUpload(&context, &upload);
         writer->Write(request);
         writer->WritesDone();
         return client::FromGrpc(writer->Finish());
       }},
      {"GetBlob", kViewer, true,
       [&](auto& c, const auto& tenant, bool there) {
         v1::GetBlobRequest request;
         request.set_name(blob_name(tenant, there));
         return Once(c, c.artifacts(), &Artifacts::GetBlob, request);
       }},
      {"ReadBlob", kViewer, true,
       [&](auto& c, const auto& tenant, bool there) {
         grpc::ClientContext context;
         c.Prepare(context);
         v1::ReadBlobRequest request;
         request.set_name(blob_name(tenant, there));
         v1::ReadBlobResponse response;
         const auto reader = c.artifacts().ReadBlob(&context, request);
         while (reader->Read(&response)) continue;
         return client::FromGrpc(reader->Finish());
       }},
      {"ListMethods", kViewer, false,
       [&](auto& c, const auto&, bool) {
         return Once(c, c.catalog(), &v1::CatalogService::Stub::ListMethods,
                     v1::ListMethodsRequest());
       }},
      {"GetServerInfo", kViewer, false,
       [&](auto& c, const auto&, bool) {
         return Once(c, c.admin(), &v1::AdminService::Stub::GetServerInfo,
                     v1::GetServerInfoRequest());
       }},
  };
  std::mt19937 random(7);
  const auto draw = [&](size_t below) { return random() % below; };
  std::map<std::string, std::string> refusals;  // by person, call and tenant
  std::map<absl::StatusCode, int> answers;
  for (int i = 0; i < 10'000; ++i) {
    const size_t who = draw(People().size());
    const Person& person = People()[who];
    const Call& call = calls[draw(calls.size())];
    const std::string tenant = draw(2) == 0 ? "a" : "b";
    const bool there = draw(2) == 0;
    const absl::Status status = call.make(As(who), tenant, there);
    ++answers[status.code()];
    Rank rank = kNobody;
    for (const char* of : {"a", "b"}) {
      if (!call.of_tenant || of == tenant) rank = std::max(rank, RankIn(person, of));
    }
    const std::string triple =
        absl::StrCat(person.token, " ", call.name, " ", tenant, there ? " there" : " absent");
    if (!person.known) {
      ASSERT_TRUE(absl::IsUnauthenticated(status)) << triple << ": " << status;
    } else if (rank < call.needed) {
      ASSERT_TRUE(absl::IsPermissionDenied(status)) << triple << ": " << status;
    } else {
      ASSERT_FALSE(absl::IsUnauthenticated(status) || absl::IsPermissionDenied(status))
          << triple << ": " << status;
      continue;
    }
    const auto [first, fresh] =
        refusals.emplace(absl::StrCat(who, call.name, tenant), std::string(status.message()));
    EXPECT_TRUE(fresh || first->second == status.message()) << triple << ": " << status;
  }
  for (const absl::StatusCode code :
       {absl::StatusCode::kOk, absl::StatusCode::kNotFound, absl::StatusCode::kPermissionDenied,
        absl::StatusCode::kUnauthenticated}) {
    EXPECT_GT(answers[code], 100) << code;
  }
}

TEST_F(AccessTest, ABlobOfAnotherTenantIsNotThere) {
  const size_t admin = People().size() - 1;
  const std::string of_a = Upload("a", "the same bytes");
  const std::string of_b = absl::StrReplaceAll(of_a, {{"tenants/a", "tenants/b"}});
  v1::GetBlobRequest request;
  request.set_name(of_b);
  EXPECT_TRUE(absl::IsNotFound(
      Once(As(admin), As(admin).artifacts(), &v1::ArtifactService::Stub::GetBlob, request)));
  EXPECT_EQ(Upload("b", "the same bytes"), of_b);
  EXPECT_TRUE(
      Once(As(admin), As(admin).artifacts(), &v1::ArtifactService::Stub::GetBlob, request).ok());
}

TEST_F(AccessTest, EveryChangeAndRefusalIsInTheAuditLogAlsoAfterAKill) {
  const std::string job = CreateJob("a");
  v1::CancelJobRequest request;
  request.set_name(job);
  EXPECT_FALSE(Once(As(2), As(2).jobs(), &v1::JobService::Stub::CancelJob, request).ok());
  EXPECT_TRUE(Once(As(3), As(3).jobs(), &v1::JobService::Stub::CancelJob, request).ok());
  server_.Kill();
  const std::string path = server_.data_folder() + "/audit.jsonl";
  const auto chain = auth::VerifyAuditLog(path);
  ASSERT_TRUE(chain.ok()) << chain.status();
  const std::string log = ReadFile(path);
  EXPECT_THAT(log, HasSubstr("JobService/CreateJob\",\"resource\":\"tenants/a\",\"code\":\"OK\""));
  for (const char* code : {"PERMISSION_DENIED", "OK"}) {
    EXPECT_THAT(log, HasSubstr(absl::StrCat("JobService/CancelJob\",\"resource\":\"", job,
                                            "\",\"code\":\"", code, "\"")));
  }
  server_.Start();
  EXPECT_THAT(server_.log(), HasSubstr(chain->last_hash));
  const auto verify = [&](const std::string& file) {
    ChildProcess process({ACCLIMATED, "verify-audit", file}, folder_.File("verify"));
    const int code = process.Wait().value_or(-1);
    return std::pair(code, process.Stdout() + process.Stderr());
  };
  EXPECT_THAT(verify(path).second, HasSubstr(chain->last_hash));
  const auto broken =
      verify(FileWith(folder_, "broken", absl::StrReplaceAll(log, {{"\"OK\"", "\"NO\""}})));
  EXPECT_EQ(broken.first, 1);
  EXPECT_THAT(broken.second, HasSubstr("the chain breaks at line 1"));
}

// In what the server logs, keeps and answers, and in the lists of processes, for every token.
TEST_F(AccessTest, SecretsAreNowhere) {
  std::string seen;
  for (size_t who = 0; who < People().size(); ++who) {
    v1::GetJobRequest request;
    request.set_name("tenants/a/jobs/absent");
    absl::StrAppend(
        &seen, Once(As(who), As(who).jobs(), &v1::JobService::Stub::GetJob, request).ToString());
  }
  const std::string token_file = folder_.File(absl::StrCat("token", People().size() - 1));
  ChildProcess cli({ACCLIMATE_CLI, "--server", server_.address(), "--token-file", token_file,
                    "--tenant", "a", "jobs", "get", "absent"},
                   folder_.File("cli"));
  for (const char* file : {"cmdline", "environ"}) {
    absl::StrAppend(&seen, ReadFile(absl::StrCat("/proc/", server_.pid(), "/", file)));
  }
  absl::StrAppend(&seen, ReadFile(absl::StrCat("/proc/", cli.pid(), "/cmdline")));
  EXPECT_EQ(cli.Wait().value_or(-1), 1);
  absl::StrAppend(&seen, cli.Stdout(), cli.Stderr());
  server_.Stop();
  absl::StrAppend(&seen, server_.log());
  for (const auto& entry : std::filesystem::recursive_directory_iterator(server_.data_folder())) {
    if (entry.is_regular_file()) absl::StrAppend(&seen, ReadFile(entry.path().string()));
  }
  EXPECT_THAT(seen, HasSubstr("PERMISSION_DENIED")) << "the search must see something";
  for (const Person& person : People()) {
    if (person.token.empty()) continue;
    EXPECT_FALSE(absl::StrContains(seen, person.token)) << person.token;
    EXPECT_FALSE(absl::StrContains(seen, artifacts::Sha256Of(person.token))) << person.token;
  }
}

TEST_F(AccessTest, TheCommandLineTakesAProfile) {
  const std::string config = FileWith(
      folder_, "config.toml",
      absl::StrCat("server = \"127.0.0.1:1\"\n[profile.test]\nserver = \"", server_.address(),
                   "\"\ntenant = \"b\"\ntoken_file = \"", folder_.File("token4"), "\"\n"));
  setenv("ACCLIMATE_CLIENT_CONFIG", config.c_str(), 1);
  const auto run = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), ACCLIMATE_CLI);
    ChildProcess cli(arguments, folder_.File("cli"));
    const int code = cli.Wait().value_or(-1);
    return std::pair(code, cli.Stdout() + cli.Stderr());
  };
  EXPECT_EQ(run({"--profile", "test", "jobs", "list"}).first, 0);
  EXPECT_EQ(run({"--profile", "test", "health"}), std::pair(0, std::string("SERVING\n")));
  const auto refused = run({"--profile", "test", "--tenant", "a", "jobs", "list"});
  EXPECT_EQ(refused.first, 1);
  EXPECT_THAT(refused.second, HasSubstr("needs the role viewer in the tenant a"));
  EXPECT_EQ(run({"--profile", "tset", "jobs", "list"}).first, 2);
  EXPECT_THAT(run({"--profile", "tset", "jobs", "list"}).second, HasSubstr("test"));
  EXPECT_EQ(run({"--profile", "test", "--server", "example.org:1", "jobs", "list"}).first, 2)
      << "a token must not travel unencrypted";
  WriteFile(config, "server = \"x\"\ntokenfile = \"y\"\n");
  EXPECT_THAT(run({"jobs", "list"}).second, HasSubstr(":2: tokenfile: no such setting"));
  unsetenv("ACCLIMATE_CLIENT_CONFIG");
}

}  // namespace
}  // namespace acclimate::e2e
