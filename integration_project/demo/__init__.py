"""The Demo Shop: an app, its people and their referrals, to see the product alive."""
