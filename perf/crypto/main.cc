// Benchmarks of crypto-offload; run by perf/bench.
#include <openssl/crypto.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "crypto-offload/packet_protector.h"
#include "perf/crypto/bare_cipher.h"
#include "perf/crypto/suites.h"
#include "perf/harness/report.h"

int main(int argc, char** argv) {
  using namespace viaduct;
  CLI::App app("Measures packet protection");
  std::string json;
  size_t turns = 15;
  std::vector<std::string> only;
  app.add_option("--json", json, "write the results to this file");
  app.add_option("--turns", turns, "how often each case is run")->check(CLI::Range(10, 1000));
  app.add_option("parts", only, "seal, open, classes, connections, masks, ids, handshakes (none: all)");
  CLI11_PARSE(app, argc, argv);

  const std::pair<const char*, std::vector<perf::Row> (*)(size_t)> kParts[] = {
      {"seal", perf::bench_seal},
      {"open", perf::bench_open},
      {"classes", perf::bench_classes},
      {"connections", perf::bench_many_connections},
      {"masks", perf::bench_header_masks},
      {"ids", perf::bench_connection_ids},
      {"handshakes", perf::bench_handshakes}};
  std::vector<perf::Row> rows;
  for (const auto& [name, run] : kParts) {
    if (!only.empty() && std::find(only.begin(), only.end(), name) == only.end()) continue;
    std::vector<perf::Row> part = run(turns);
    perf::print_table(part);
    std::fflush(stdout);
    rows.insert(rows.end(), part.begin(), part.end());
  }
  auto machine = perf::describe_machine();
  machine["openssl"] = OpenSSL_version(OPENSSL_VERSION_STRING);
  machine["ipsec-mb"] = perf::BareCipher::version();
  machine["provider"] = crypto::make_protector()->name();
  return json.empty() || perf::write_json(json, machine, rows) ? 0 : 1;
}
