# SPDX-License-Identifier: Apache-2.0

module North
  def self.stock(n)
    n # LINE_STOCK
  end
end
