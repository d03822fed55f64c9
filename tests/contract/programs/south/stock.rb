# SPDX-License-Identifier: Apache-2.0

module South
  def self.stock(n)
    n # LINE_STOCK
  end
end
