#include "apps/http3/message.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "apps/http3/qpack.h"
#include "base/bytes.h"

namespace viaduct::http3 {
namespace {

using Fields = std::vector<Field>;

FieldSection section_of(const Fields& fields) {
  FieldSection section(64 << 10);
  for (const Field& field : fields) section.append(field.name, field.value);
  return section;
}

const Fields kGet = {{":method", "GET"}, {":scheme", "https"}, {":authority", "a.example"}, {":path", "/x?y"}};

Fields with(Fields fields, Field added) {
  fields.push_back(added);
  return fields;
}
Fields without(const Fields& fields, std::string_view name) {
  Fields rest;
  for (const Field& field : fields) {
    if (field.name != name) rest.push_back(field);
  }
  return rest;
}
Fields changed(Fields fields, std::string_view name, std::string_view value) {
  for (Field& field : fields) {
    if (field.name == name) field.value = value;
  }
  return fields;
}

TEST(Request, is_read) {
  const FieldSection section = section_of(with(kGet, {"content-length", "12"}));
  const auto head = read_request(section);
  ASSERT_TRUE(head);
  EXPECT_EQ(head->method, "GET");
  EXPECT_EQ(head->scheme, "https");
  EXPECT_EQ(head->authority, "a.example");
  EXPECT_EQ(head->path, "/x?y");
  EXPECT_EQ(head->content_length, 12u);
}

// RFC 9114 sections 4.1.2, 4.2, 4.3, 10.3.
TEST(Request, well_formed_or_malformed) {
  const std::string nul("a\0b", 3);
  const struct {
    const char* what;
    Fields fields;
    bool fine;
  } cases[] = {
      {"as it should be", kGet, true},
      {"host instead of :authority", with(without(kGet, ":authority"), {"host", "a.example"}), true},
      {"host and :authority alike", with(kGet, {"host", "a.example"}), true},
      {"host and :authority differ", with(kGet, {"host", "b.example"}), false},
      {"two hosts", with(with(without(kGet, ":authority"), {"host", "a"}), {"host", "a"}), false},
      {"neither host nor :authority", without(kGet, ":authority"), false},
      {"empty :authority", changed(kGet, ":authority", ""), false},
      {"userinfo", changed(kGet, ":authority", "u@a.example"), false},
      {"no :method", without(kGet, ":method"), false},
      {"a method that is no token", changed(kGet, ":method", "G T"), false},
      {"empty :method", changed(kGet, ":method", ""), false},
      {"no :scheme", without(kGet, ":scheme"), false},
      {"no :path", without(kGet, ":path"), false},
      {"empty :path", changed(kGet, ":path", ""), false},
      {"a relative path", changed(kGet, ":path", "x"), false},
      {"a space in the path", changed(kGet, ":path", "/a b"), false},
      {"asterisk for GET", changed(kGet, ":path", "*"), false},
      {"asterisk for OPTIONS", changed(changed(kGet, ":path", "*"), ":method", "OPTIONS"), true},
      {"a pseudo-field twice", with(kGet, {":path", "/"}), false},
      {"an unknown pseudo-field", with(kGet, {":protocol", "websocket"}), false},
      {"a response's pseudo-field", with(kGet, {":status", "200"}), false},
      {"a pseudo-field after others", {{":method", "GET"}, {"a", "b"}, {":scheme", "https"}, {":path", "/"}}, false},
      {"an upper-case name", with(kGet, {"Accept", "x"}), false},
      {"an empty name", with(kGet, {"", "x"}), false},
      {"a space in a name", with(kGet, {"a b", "x"}), false},
      {"NUL in a value", with(kGet, {"a", nul}), false},
      {"CR in a value", with(kGet, {"a", "x\ry"}), false},
      {"LF in a value", with(kGet, {"a", "x\ny"}), false},
      {"LF in a pseudo-field", changed(kGet, ":path", "/\n"), false},
      {"a tab in a value", with(kGet, {"a", "x\ty"}), true},
      {"UTF-8 in a value", with(kGet, {"a", "\xc3\xa4"}), true},
      {"connection", with(kGet, {"connection", "close"}), false},
      {"keep-alive", with(kGet, {"keep-alive", "1"}), false},
      {"proxy-connection", with(kGet, {"proxy-connection", "x"}), false},
      {"transfer-encoding", with(kGet, {"transfer-encoding", "chunked"}), false},
      {"upgrade", with(kGet, {"upgrade", "h2c"}), false},
      {"te: trailers", with(kGet, {"te", "trailers"}), true},
      {"te: gzip", with(kGet, {"te", "gzip"}), false},
      {"content-length that is no number", with(kGet, {"content-length", "1x"}), false},
      {"content-length with a sign", with(kGet, {"content-length", "+1"}), false},
      {"content-length beyond all numbers", with(kGet, {"content-length", "99999999999999999999"}), false},
      {"equal content-lengths", with(with(kGet, {"content-length", "1"}), {"content-length", "1"}), true},
      {"different content-lengths", with(with(kGet, {"content-length", "1"}), {"content-length", "2"}), false},
      {"CONNECT", {{":method", "CONNECT"}, {":authority", "a.example:443"}}, true},
      {"CONNECT with a path", {{":method", "CONNECT"}, {":authority", "a:443"}, {":path", "/"}}, false},
      {"CONNECT with a scheme", {{":method", "CONNECT"}, {":authority", "a:443"}, {":scheme", "https"}}, false},
      {"CONNECT without an authority", {{":method", "CONNECT"}}, false},
      {"nothing", {}, false},
  };
  for (const auto& c : cases) {
    const FieldSection section = section_of(c.fields);
    EXPECT_EQ(read_request(section).has_value(), c.fine) << c.what;
  }
}

TEST(Response, well_formed_or_malformed) {
  const struct {
    const char* what;
    Fields fields;
    bool fine;
  } cases[] = {
      {"200", {{":status", "200"}, {"content-length", "5"}}, true},
      {"103", {{":status", "103"}}, true},
      {"101 does not exist here", {{":status", "101"}}, false},
      {"no status", {{"a", "b"}}, false},
      {"two statuses", {{":status", "200"}, {":status", "200"}}, false},
      {"four digits", {{":status", "2000"}}, false},
      {"below 100", {{":status", "099"}}, false},
      {"letters", {{":status", "2x0"}}, false},
      {"a request's pseudo-field", {{":status", "200"}, {":path", "/"}}, false},
      {"connection", {{":status", "200"}, {"connection", "close"}}, false},
  };
  for (const auto& c : cases) {
    const FieldSection section = section_of(c.fields);
    EXPECT_EQ(read_response(section).has_value(), c.fine) << c.what;
  }
}

TEST(Trailer, has_no_pseudo_fields) {
  EXPECT_TRUE(is_valid_trailer(section_of({{"checksum", "1"}})));
  EXPECT_FALSE(is_valid_trailer(section_of({{":path", "/"}})));
  EXPECT_FALSE(is_valid_trailer(section_of({{"connection", "close"}})));
}

TEST(FieldSection, counts_as_rfc_9114_section_4_2_2_says) {
  FieldSection section(100);
  EXPECT_TRUE(section.append("abc", "de"));
  EXPECT_EQ(section.size(), 37u);
  EXPECT_TRUE(section.append("a", std::string(30, 'x')));
  EXPECT_EQ(section.size(), 100u);
  EXPECT_FALSE(section.append("", ""));
  EXPECT_TRUE(section.is_too_large());
  section.clear();
  EXPECT_TRUE(section.append("a", "b"));
}

std::vector<uint8_t> unhex(std::string_view hex) {
  std::vector<uint8_t> bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2)
    bytes.push_back(static_cast<uint8_t>(std::stoul(std::string(hex.substr(i, 2)), nullptr, 16)));
  return bytes;
}

// RFC 9204 appendix B.1.
TEST(Qpack, decodes_the_static_example) {
  Qpack qpack;
  FieldSection section(1000);
  EXPECT_EQ(qpack.decode(unhex("0000510b2f696e6465782e68746d6c"), section), Qpack::Outcome::kDone);
  ASSERT_EQ(section.fields().size(), 1u);
  EXPECT_EQ(section.fields()[0].name, ":path");
  EXPECT_EQ(section.fields()[0].value, "/index.html");
}

// The others of appendix B refer to a dynamic table, which we do not offer.
TEST(Qpack, refuses_what_needs_a_dynamic_table_or_is_cut_off) {
  const char* const cases[] = {
      "",            // not even a prefix
      "00",          // half of one
      "03811011",    // B.2: Required Insert Count 2
      "0500808181",  // B.4
      "0000ff",      // an index that does not end
      "0000510b2f",  // a literal cut short
      "000010",      // post-base index
      "0000ffff20",  // beyond the static table
  };
  for (const char* hex : cases) {
    Qpack qpack;
    FieldSection section(1000);
    EXPECT_EQ(qpack.decode(unhex(hex), section), Qpack::Outcome::kInvalid) << hex;
    // And it still works after.
    EXPECT_EQ(qpack.decode(unhex("0000510b2f696e6465782e68746d6c"), section), Qpack::Outcome::kDone) << hex;
  }
}

TEST(Qpack, gives_back_what_it_encoded_and_stops_at_the_limit) {
  Qpack qpack;
  const std::string long_value(3000, 'v');
  const Fields fields = with(with(kGet, {"x-long", long_value}), {"cookie", "a=b"});
  std::vector<uint8_t> room(16 << 10);
  for (int i = 0; i < 1000; ++i) {  // its memory is taken back each time
    ByteWriter out(room);
    ASSERT_TRUE(qpack.encode(fields, out));
    FieldSection section(16 << 10);
    ASSERT_EQ(qpack.decode(out.written(), section), Qpack::Outcome::kDone);
    ASSERT_EQ(section.fields().size(), fields.size());
    ASSERT_EQ(section.find("x-long"), long_value);
    FieldSection small(500);
    ASSERT_EQ(qpack.decode(out.written(), small), Qpack::Outcome::kTooLarge);
  }
}

// What was said before comes out of memory; every limit holds for it as the first time.
TEST(Qpack, says_the_same_of_what_it_knows) {
  Qpack qpack;
  std::vector<uint8_t> room(1000), first;
  for (int i = 0; i < 4; ++i) {
    ByteWriter out(room);
    ASSERT_TRUE(qpack.encode(kGet, out));
    if (i == 0) first.assign(out.written().begin(), out.written().end());
    EXPECT_TRUE(equal(out.written(), first)) << i;
    ByteWriter little(MutableBytes(room).first(first.size() - 1));
    EXPECT_FALSE(qpack.encode(kGet, little));
    FieldSection section(1000), small(100);
    ASSERT_EQ(qpack.decode(first, section), Qpack::Outcome::kDone);
    ASSERT_EQ(section.fields().size(), kGet.size());
    for (size_t f = 0; f < kGet.size(); ++f) {
      EXPECT_EQ(section.fields()[f].name, kGet[f].name);
      EXPECT_EQ(section.fields()[f].value, kGet[f].value);
    }
    EXPECT_EQ(qpack.decode(first, small), Qpack::Outcome::kTooLarge);
    EXPECT_EQ(small.fields().size(), 2u);
    EXPECT_EQ(qpack.decode(Bytes(first).first(first.size() - 1), section), Qpack::Outcome::kInvalid);
  }
}

TEST(Qpack, says_when_the_section_does_not_fit) {
  Qpack qpack;
  std::vector<uint8_t> room(10);
  ByteWriter out(room);
  EXPECT_FALSE(qpack.encode(kGet, out));
  const std::string huge(20 << 10, 'v');
  std::vector<uint8_t> large(64 << 10);
  ByteWriter more(large);
  EXPECT_FALSE(qpack.encode(Fields{{"x", huge}}, more));
}

}  // namespace
}  // namespace viaduct::http3
