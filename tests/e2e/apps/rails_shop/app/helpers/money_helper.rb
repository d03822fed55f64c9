module MoneyHelper
  def price_tag(money, bold: false)
    tag = bold ? :strong : :span
    content_tag(tag, "€ #{money}", class: "price") # LINE price_tag
  end
end
