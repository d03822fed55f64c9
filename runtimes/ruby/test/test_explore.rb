# SPDX-License-Identifier: Apache-2.0
# RB-09, RB-10: the tests of a library that is not ours come out the same with a probe on every line of it, on every
# method, and with some of both. This is the part of `make explore-ruby` for which nothing has to be fetched: a gem
# that Debian's Ruby brings with its tests.
require_relative "helper"

class TestExplore < SondeTest
  TOOL = File.join(ROOT, "tools", "explore-ruby.py")
  VERSION = RUBY_VERSION[/\A\d+\.\d+/]

  RSS = Gem::Specification.find_all_by_name("rss").find do |spec|
    File.directory?(File.join(spec.full_gem_path, "test"))
  end

  def test_rb09_rss_comes_out_the_same
    # Of Debian's Rubies 3.1 alone brings them; 2.7 and 3.3 have the gem without.
    return assert_nil(RSS) if RbConfig.ruby.start_with?("/usr/bin/") && VERSION != "3.1"
    # Debian's has them; who builds another Ruby may not.
    skip "this Ruby's rss came without its tests" if RSS.nil? && RbConfig.ruby !~ %r{\A/usr/bin/}
    refute_nil RSS
    out, status = Timeout.timeout(600) do
      Open3.capture2e("python3", "-B", TOOL, "--lib", LIB, "--ruby", "#{VERSION}=#{RbConfig.ruby}",
                      "--folder", folder, "--libraries", "gem:rss", "--tests", "test/test_parser_[12].*.rb")
    end
    assert status.success?, out
    plain, *with_probes = %w[plain line method both].map { |way| out[/^  #{way} +(\d+)/, 1].to_i }
    assert_operator plain, :>, 10, out
    assert_equal [plain] * 3, with_probes, out
  end
end
