# What config/patches replaces while the application runs.
class Legacy
  def self.rate(amount)
    percent = 19
    amount * percent # LINE legacy
  end
end
