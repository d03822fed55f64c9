# Says at the start whether the file that a person may run later can be compiled.
Rails.application.config.seeds = RubyVM::InstructionSequence.compile_file(Rails.root.join("db/seeds.rb").to_s)
