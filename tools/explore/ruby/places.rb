# SPDX-License-Identifier: Apache-2.0
# The lines of files that have code, as path:line: places.rb < paths. Compiles, and runs nothing.
EVENTS = %i[line return b_return].freeze

def each_line_of(sequence, &block)
  sequence.trace_points.each { |line, event| block.call(line) if EVENTS.include?(event) && line > 0 }
  sequence.each_child { |child| each_line_of(child, &block) }
end

STDIN.each_line(chomp: true) do |path|
  lines = {}
  each_line_of(RubyVM::InstructionSequence.compile_file(path)) { |line| lines[line] = true }
  lines.keys.sort.each { |line| puts "#{path}:#{line}" }
rescue SyntaxError => error
  warn "#{path}: #{error.message.lines.first}"
end
