# SPDX-License-Identifier: Apache-2.0
# What Ruby itself says is loaded, to hold a listing against: each class and module that has a name by which
# it can be reached, and each method in it that has a place.
module SymbolsTruth
  Place = Struct.new(:name, :file, :line)

  NAME = Module.instance_method(:name)
  SINGLETON = Module.instance_method(:singleton_class?)
  LISTS = %i[public_instance_methods protected_instance_methods private_instance_methods].map do |list|
    Module.instance_method(list)
  end
  METHOD = Module.instance_method(:instance_method)
  ANCESTORS = Module.instance_method(:ancestors)
  AUTOLOAD = Module.instance_method(:autoload?)
  HAS_CONSTANT = Module.instance_method(:const_defined?)
  CONSTANT = Module.instance_method(:const_get)
  LOCATION = Module.instance_method(:const_source_location)

  module_function

  # What the path of constants leads to, without loading anything; nil: nothing.
  def resolve(path)
    path.split("::").reduce(Object) do |outer, name|
      return nil unless Module === outer
      return nil if AUTOLOAD.bind_call(outer, name, false) || !HAS_CONSTANT.bind_call(outer, name, false)
      CONSTANT.bind_call(outer, name, false)
    end
  rescue NameError
    nil
  end

  def real(path)
    (@real ||= {})[path] ||= File.absolute_path?(path) && File.exist?(path) ? File.realpath(path) : program(path)
  end

  # The program's own file has the name it was started by.
  def program(path)
    path == $0 && File.exist?(path) ? File.realpath(path) : path
  end

  def modules
    ObjectSpace.each_object(Module).reject { |found| SINGLETON.bind_call(found) }
  end

  # { module => path } of those that have one.
  def named
    modules.to_h { |found| [found, NAME.bind_call(found)] }.compare_by_identity
           .select { |found, path| path && resolve(path).equal?(found) }
  end

  # Those that stand in this very class.
  def each_method(owner)
    LISTS.flat_map { |list| list.bind_call(owner, false) }.uniq.each do |name|
      method = METHOD.bind_call(owner, name)
      # A class's own behind what was prepended.
      method = method.super_method while method && !method.owner.equal?(owner)
      place = method&.source_location
      yield name, method if place && place[1] > 0 # 0: made by C code
    end
  end

  def methods(all = named)
    found = []
    all.each do |owner, path|
      each_method(owner.singleton_class) do |name, method|
        found << Place.new("#{path}.#{name}", real(method.source_location[0]), method.source_location[1])
      end
      each_method(owner) do |name, method|
        found << Place.new("#{path}##{name}", real(method.source_location[0]), method.source_location[1])
      end
    end
    found
  end

  # A method for which Ruby says no place: an alias of an accessor.
  def placeless?(name)
    path, mark, method = name.rpartition(/[#.]/)
    owner = mark == "#" ? resolve(path) : resolve(path).singleton_class
    (METHOD.bind_call(owner, method).source_location || [nil, 0])[1] == 0
  rescue NameError
    false
  end

  # Only the visibility of an ancestor's method was changed: it stands there.
  def inherited?(owner, name)
    place = METHOD.bind_call(owner, name).source_location
    ANCESTORS.bind_call(owner).any? do |ancestor|
      !ancestor.equal?(owner) && LISTS.any? { |list| list.bind_call(ancestor, false).include?(name.to_sym) } &&
        METHOD.bind_call(ancestor, name).source_location == place
    end
  end

  # Where constants say that classes were defined; not those of C extensions.
  def definitions(all = named)
    all.filter_map do |_, path|
      outer, _, name = path.rpartition("::")
      file, line = LOCATION.bind_call(outer.empty? ? Object : resolve(outer), name, false)
      Place.new(path, real(file), line) if file && line > 0
    end
  end

  # --- A listing ---------------------------------------------------------------------------------

  def each_scope(unit, &block)
    walk(unit["scope"], unit["file"], &block)
  end

  def walk(scope, file, &block)
    yield scope, file
    (scope["scopes"] || []).each { |inner| walk(inner, file, &block) }
  end

  # [methods, classes], as Places; classes that have one name in several files are there several times.
  def listed(units)
    methods = []
    classes = []
    units.each do |unit|
      each_scope(unit) do |scope, file|
        next unless scope["qualified"] && scope["qualified"] != ""
        place = Place.new(scope["qualified"], file, scope["start_line"])
        methods << place if scope["scope_type"] == "METHOD"
        classes << place if %w[CLASS MODULE].include?(scope["scope_type"])
      end
    end
    [methods, classes]
  end

  # How much of the truth was listed, and how much of what was listed is true.
  def compare(units)
    all = named
    true_methods = methods(all)
    true_classes = definitions(all)
    listed_methods, listed_classes = listed(units)
    in_file = listed_classes.group_by { |place| [place.name, place.file] }
    names = all.values.to_h { |path| [path, true] }
    # One place that is a module's own method and its instances' (module_function; `extend self`, made public there: since 3.2 Ruby
    # calls that one of the singleton class, too) is listed as one of them.
    all_listed = listed_methods.to_h { |place| [place, true] }
    missing = true_methods.reject do |place|
      path, mark, name = place.name.rpartition(/[#.]/)
      all_listed[place] || all_listed[Place.new("#{path}#{mark == "#" ? "." : "#"}#{name}", place.file, place.line)] ||
        inherited?(mark == "#" ? resolve(path) : resolve(path).singleton_class, name)
    end
    lost = true_classes.reject do |place|
      (in_file[[place.name, place.file]] || []).any? { |found| found.line <= place.line }
    end
    wrong = (listed_methods - true_methods).reject { |place| placeless?(place.name) }
    wrong_classes = listed_classes.reject { |place| names[place.name] }
    { methods: true_methods.size, classes: true_classes.size, missing: missing, lost_classes: lost, wrong: wrong,
      wrong_classes: wrong_classes,
      recall: 1 - (missing.size + lost.size) / (true_methods.size + true_classes.size).to_f,
      precision: 1 - (wrong.size + wrong_classes.size) / (listed_methods.size + listed_classes.size).to_f }
  end
end
